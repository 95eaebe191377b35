"""A worker of the email queue (docs/consumer.md). It claims one email at a time, and extends the claim while it works.
On SIGTERM or Ctrl-C it gives the email back. Start as many as you like: DATABASE_URL=postgres://... python3 examples/worker.py"""
import contextlib, hashlib, os, select, signal, socket, threading, time, uuid
import psycopg  # 3.1 or newer

CONSUMER = os.getenv("CONSUMER", "extraction")
LEASE_SECONDS, POLL_SECONDS = float(os.getenv("LEASE_SECONDS", "300")), float(os.getenv("POLL_SECONDS", "30"))
WORK_SECONDS = float(os.getenv("WORK_SECONDS", "0"))  # Slow work, so that you can kill it.
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
    files = [call("attachment_data", file["id"])[0].attachment_data for file in email.attachments]
    return {"subject": email.subject, "sha256": [hashlib.sha256(data).hexdigest() for data in files]}

def handle(email):
    claim, ended = (CONSUMER, WORKER, email.id), threading.Event()
    threading.Thread(target=extend, args=(claim, ended), daemon=True).start()
    try:
        result = work(email, lambda: ended.is_set() or stopping.is_set())
        return call("complete_email", *claim, psycopg.types.json.Jsonb(result)) and "completed"
    except Exception as error:
        if stopping.is_set():
            return call("release_email", *claim) and "released"
        reason = str(error) if isinstance(error, WorkError) else f"Unexpected {type(error).__name__}."
        return call("fail_email", *claim, reason) and "failed"
    finally:
        ended.set()

def extend(claim, ended):
    with contextlib.suppress(psycopg.Error):
        while not ended.wait(LEASE_SECONDS / 3):
            call("extend_claim", *claim, f"{LEASE_SECONDS} s")
    ended.set()

def call(name, *values):
    """Calls a function of the queue. While the database cannot be reached, it calls again: each function allows it."""
    global connection
    sql = f"select * from {name}({', '.join(['%s'] * len(values))})"
    while True:
        try:
            with lock:
                if connection is None or connection.closed:
                    connection = psycopg.connect(os.environ["DATABASE_URL"], autocommit=True, application_name=WORKER)
                    connection.row_factory = psycopg.rows.namedtuple_row
                    connection.add_notify_handler(lambda _: notified.set())
                    connection.execute("listen email_stored")
                return connection.execute(sql, values).fetchall()
        except psycopg.OperationalError:
            if stopping.is_set():
                raise
        print("The database cannot be reached. The next attempt is in a second.", flush=True)
        time.sleep(1)

connection, lock, stopping, notified = None, threading.Lock(), threading.Event(), threading.Event()
wake, wake_fd = socket.socketpair()  # A signal makes `wake` readable, which ends select().
wake_fd.setblocking(False)
signal.set_wakeup_fd(wake_fd.fileno())
for number in (signal.SIGTERM, signal.SIGINT):
    signal.signal(number, lambda *_: stopping.set())
while not stopping.is_set():
    notified.clear()  # Before the claim: it does not see an email whose notification comes later.
    emails = call("claim_emails", CONSUMER, WORKER, 1, f"{LEASE_SECONDS} s")
    for email in emails:
        try:
            print(f"Email {email.id}: {handle(email)}", flush=True)
        except psycopg.Error as error:
            print(f"Email {email.id}: discarded ({error.sqlstate})", flush=True)
    if not emails and not notified.is_set():
        select.select([connection, wake], [], [], POLL_SECONDS)
