/** The Cloud SQL connector, re-exported from its own file so that the build writes it once for all functions. */
export { AuthTypes, Connector, IpAddressTypes } from '@google-cloud/cloud-sql-connector';
