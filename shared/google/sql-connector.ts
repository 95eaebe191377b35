/** The Cloud SQL connector. */
export { AuthTypes, Connector, IpAddressTypes } from '@google-cloud/cloud-sql-connector';
