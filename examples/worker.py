"""A worker of the email queue (docs/consumer.md). It claims one email at a time, and extends the claim while it works.
On SIGTERM or Ctrl-C it gives the email back. Start as many as you like: DATABASE_URL=postgres://... python3 examples/worker.py"""
import contextlib, hashlib, os, select, signal, socket, sys, threading, time, uuid
import psycopg  # 3.1 or newer

def seconds(name, default):
    with contextlib.suppress(ValueError):
        if 0 <= (value := float(os.getenv(name) or default)) < 1e6: return value
    sys.exit(f"{name} must be a number of seconds.")

DATABASE_URL = os.getenv("DATABASE_URL") or sys.exit("Set DATABASE_URL to the URL of the database.")
CONSUMER, WORK_SECONDS = os.getenv("CONSUMER", "extraction"), seconds("WORK_SECONDS", 0)  # Slow work can be killed.
LEASE_SECONDS, POLL_SECONDS = seconds("LEASE_SECONDS", 300), seconds("POLL_SECONDS", 30)
WORKER = f"{socket.gethostname()}:{os.getpid()}:{uuid.uuid4().hex[:8]}"  # New for each start of the process.

class WorkError(Exception):
    """Its message is stored for operators and must not contain mail. That of another error may quote the email."""

def work(email, is_cancelled):
    """Replace this. It can run twice for an email. It is cancelled when the claim is lost or the worker shuts down."""
    if not email.attachments:
        raise WorkError("The email has no attachment.")
    for _ in range(int(WORK_SECONDS * 10)):
        if is_cancelled():
            raise WorkError("The work was cancelled.")
        time.sleep(0.1)
    try:
        files = [call("select attachment_data(%s)", file["id"])[0].attachment_data for file in email.attachments]
    except psycopg.Error as error:
        if error.sqlstate != "QE007": raise
        raise WorkError("A file is in the bucket. Download it: docs/consumer.md, Large files.") from None
    return {"subject": email.subject, "sha256": [hashlib.sha256(data).hexdigest() for data in files]}

def handle(id):
    claim, ended = (CONSUMER, WORKER, id), threading.Event()
    threading.Thread(target=extend, args=(claim, ended), daemon=True).start()
    try:
        emails = call("select * from emails_for_processing where id = %s", id)  # After the claim is committed.
        if not emails: return "discarded (erased)"
        result = work(emails[0], lambda: ended.is_set() or stopping.is_set())
        return call("select complete_email(%s, %s, %s, %s)", *claim, psycopg.types.json.Jsonb(result)) and "completed"
    except Exception as error:
        if stopping.is_set():
            return call("select release_email(%s, %s, %s)", *claim) and "released"
        reason = str(error) if isinstance(error, WorkError) else f"Unexpected {type(error).__name__} ({getattr(error, 'sqlstate', 'no code')})."
        return call("select fail_email(%s, %s, %s, %s)", *claim, reason) and f"failed: {reason}"
    finally:
        ended.set()

def extend(claim, ended):
    with contextlib.suppress(psycopg.Error):
        while not ended.wait(LEASE_SECONDS / 3):
            call("select extend_claim(%s, %s, %s, %s)", *claim, f"{LEASE_SECONDS} s")
    ended.set()

def call(sql, *values):
    """Runs a statement. While the database cannot be reached, it runs it again: each function of the queue allows it."""
    global connection
    while True:
        try:
            with lock:
                if connection is None or connection.closed:
                    connection = psycopg.connect(DATABASE_URL, autocommit=True, application_name=WORKER)
                    connection.row_factory = psycopg.rows.namedtuple_row
                    connection.add_notify_handler(lambda _: notified.set())
                    connection.execute("listen email_stored")
                return connection.execute(sql, values).fetchall()
        except psycopg.OperationalError as error:
            if stopping.is_set():
                raise
            print(f"The database cannot be reached: {error}. Next attempt in a second.", flush=True)
        time.sleep(1)

connection, lock, stopping, notified = None, threading.Lock(), threading.Event(), threading.Event()
wake, wake_fd = socket.socketpair()  # A signal makes `wake` readable, which ends select().
wake_fd.setblocking(False)
signal.set_wakeup_fd(wake_fd.fileno())
for number in (signal.SIGTERM, signal.SIGINT):
    signal.signal(number, lambda *_: stopping.set())
while not stopping.is_set():
    notified.clear()  # Before the claim: it does not see an email whose notification comes later.
    try:
        claimed = call("select id from claim_emails(%s, %s, 1, %s)", CONSUMER, WORKER, f"{LEASE_SECONDS} s")
    except psycopg.Error as error:  # A wrong setting, for example. The message of this statement contains no mail.
        sys.exit(f"The worker ends: {error.diag.message_primary or error} {error.diag.message_hint or ''} ({error.sqlstate})")
    for (id,) in claimed:
        try:
            print(f"Email {id}: {handle(id)}", flush=True)
        except psycopg.Error as error:
            print(f"Email {id}: discarded ({error.sqlstate})", flush=True)
    if not claimed and not notified.is_set():
        select.select([connection, wake], [], [], POLL_SECONDS)
