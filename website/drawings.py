"""The drawings in docs/drawings/, which `make reference` writes."""

from collections.abc import Callable, Mapping

from website.drawing import Drawing, sequence
from worker.jobs.settlement import MAX_BACKOFF_SECONDS
from worker.scoring.score import PART_BYTES

PART = f"{PART_BYTES >> 20} MiB"


def overview() -> str:
    """Draw the parts on AWS and the way of a file."""
    drawing = Drawing(
        "A file in the input bucket invokes the dispatcher, which sends a message to the queue and "
        "starts workers. A worker writes predictions to the output bucket. Messages of files that "
        "fail go to the dead-letter queue.",
        470,
    )
    drawing.box(20, 16, 240, "Input bucket", "a file lands", kind="blue")
    drawing.arrow((140, 66), (140, 96))
    drawing.notes(150, 86, "S3 event")
    drawing.box(20, 96, 240, "Dispatcher (Lambda)", "one message for each file")
    drawing.arrow((140, 146), (140, 176))
    drawing.notes(150, 166, "1. message")
    drawing.box(20, 176, 240, "Queue (SQS)", "holds what is not done", kind="blue")
    drawing.arrow((140, 226), (140, 270))
    drawing.notes(150, 252, "receive; delete when done")
    drawing.box(
        20, 270, 240, "Workers (ECS Fargate)", "0 to MaxTasks; exit when idle", kind="green"
    )
    drawing.arrow((140, 320), (140, 404))
    drawing.notes(150, 346, "predictions, or the", "report of a failure")
    drawing.box(20, 404, 240, "Output bucket", "predictions/, _failed/", kind="blue")
    drawing.arrow((260, 112), (350, 112), (350, 286), (260, 286))
    drawing.notes(356, 170, "2. start", "the workers", "that are", "missing")
    drawing.arrow((260, 304), (448, 304), (448, 130), (260, 130), dashed=True)
    drawing.notes(268, 152, "it has", "stopped")
    drawing.box(290, 376, 156, "Dead letters", "files that failed", kind="red")
    drawing.arrow((230, 320), (230, 334), (368, 334), (368, 376))
    return drawing.svg()


def waking() -> str:
    """Draw what makes the dispatcher look, and what a look does."""
    drawing = Drawing(
        "A new file, a worker that has stopped, and a clock make the dispatcher look: it counts "
        "messages and workers, and starts the workers that are missing.",
        420,
    )
    drawing.box(12, 16, 138, "A file lands", "event of S3", kind="blue")
    drawing.box(161, 16, 138, "A worker stops", "event of ECS", kind="blue")
    drawing.box(310, 16, 138, "The sweep", "each 5 minutes", kind="blue")
    drawing.arrow((81, 66), (81, 96))
    drawing.box(12, 96, 138, "Send", "one message", "for each file")
    drawing.arrow((81, 164), (81, 194))
    drawing.arrow((230, 66), (230, 194))
    drawing.arrow((379, 66), (379, 194))
    drawing.box(12, 194, 436, "Look", "wanted = messages / MessagesPerTask, at most MaxTasks")
    drawing.arrow((230, 244), (230, 274))
    drawing.notes(240, 264, "fewer run than are wanted")
    drawing.box(
        12, 274, 436, "Start the difference", "RunTask, one slot and one token for each worker"
    )
    drawing.arrow((230, 324), (230, 354))
    drawing.box(
        12, 354, 436, "Workers", "receive until the queue is empty; then each exits", kind="green"
    )
    drawing.arrow((448, 380), (455, 380), (455, 80), (270, 80), (270, 66), dashed=True)
    return drawing.svg()


def tokens() -> str:
    """Draw two dispatchers that ask for the same slots."""
    drawing = Drawing(
        "Two dispatchers look in the same minute and ask ECS for the same slots with the same "
        "tokens. ECS starts each slot once.",
        250,
    )
    drawing.box(12, 16, 210, "Dispatcher A, 12:07", "1 runs, 3 are wanted", kind="blue")
    drawing.box(238, 16, 210, "Dispatcher B, 12:07", "1 runs, 3 are wanted", kind="blue")
    for left, right in ((60, 310), (150, 400)):
        drawing.arrow((left, 66), (left, 116))
        drawing.arrow((right, 66), (right, 116))
    drawing.notes(230, 96, "the same requests", anchor="middle")
    drawing.box(12, 116, 436, "ECS", "each is asked for twice: 12:07 slot 1, 12:07 slot 2")
    drawing.arrow((117, 166), (117, 192))
    drawing.arrow((343, 166), (343, 192))
    drawing.box(12, 192, 210, "Worker of slot 1", kind="green")
    drawing.box(238, 192, 210, "Worker of slot 2", kind="green")
    drawing.notes(230, 242, "two workers start, not four", anchor="middle")
    return drawing.svg()


def lease() -> str:
    """Draw how heartbeats move the deadline of a lease, and what a worker's death does."""
    drawing = Drawing(
        "A message is received at second 0 and invisible for 120 seconds. Heartbeats at 40 and 80 "
        "seconds move that deadline. The worker dies at 110 seconds; at 200 seconds the message "
        "is visible again.",
        300,
    )
    left, scale = 20, 1.9

    def at(second: float) -> float:
        return left + scale * second

    for second in range(0, 221, 40):
        drawing.line((at(second), 36), (at(second), 214), style="guide")
        drawing.notes(at(second), 28, f"{second} s", anchor="middle")
    for y, start, text in (
        (46, 0, "received: invisible until 120 s"),
        (86, 40, "heartbeat: until 160 s"),
        (126, 80, "heartbeat: until 200 s"),
    ):
        drawing.bar(at(start), y, scale * 120, 28, kind="blue")
        drawing.text(at(start) + 8, y + 19, text)
    drawing.bar(at(0), 172, scale * 110, 28, kind="green")
    drawing.text(at(0) + 8, 191, "the worker predicts")
    drawing.bar(at(110), 172, scale * 90, 28, kind="red")
    drawing.text(at(110) + 8, 191, "killed: no heartbeat")
    drawing.arrow((at(200), 200), (at(200), 236))
    drawing.box(
        160, 236, 288, "The message is visible again", "another worker receives it", kind="sand"
    )
    return drawing.svg()


def settling() -> str:
    """Draw how each message ends in a worker."""
    drawing = Drawing("What happened to a job, and what the worker does with its message.", 448)
    drawing.text(12, 22, "What happened", "strong")
    drawing.text(246, 22, "What the worker does", "strong")
    rows = (
        ("green", ("The output is durable", "or was there already"), ("delete", "the message")),
        (
            "sand",
            ("AWS fails for a while", "throttle, 5xx, no network"),
            ("try again in place", "for up to 15 minutes"),
        ),
        (
            "sand",
            ("It may succeed later", "a lost process, say"),
            ("retry", f"visible after 0 to {MAX_BACKOFF_SECONDS} s"),
        ),
        ("sand", ("The worker has to stop",), ("release", "visible again at once")),
        (
            "red",
            ("It can never succeed", "or it was the last receive"),
            ("report, dead letter", "and only then delete"),
        ),
        (
            "plain",
            ("The lease is lost", "another worker may have it"),
            ("nothing", "no upload, no delete"),
        ),
    )
    y = 36.0
    for kind, left, right in rows:
        end = drawing.box(12, y, 204, *left, kind=kind)
        drawing.arrow((216, (y + end) / 2), (246, (y + end) / 2))
        drawing.box(246, y, 202, *right)
        y += 68
    return drawing.svg()


def writing() -> str:
    """Draw the rule for writes."""
    drawing = Drawing(
        "The worker writes if no object is there. If one is there, its metadata decides whether "
        "the worker writes nothing, fails, or replaces it.",
        520,
    )
    drawing.box(
        12, 16, 250, "PUT with If-None-Match: *", "write if there is no object", kind="blue"
    )
    drawing.arrow((262, 41), (318, 41))
    drawing.notes(288, 34, "200", anchor="middle")
    drawing.box(318, 16, 130, "Done", "two requests", kind="green")
    drawing.arrow((137, 66), (137, 100))
    drawing.notes(147, 88, "412: an object is there")
    drawing.box(12, 100, 250, "HEAD of the object", "its metadata names its input", kind="blue")
    answers = (
        ("of another input", "Fail", "the key is taken", "red"),
        ("of the same version", "Done", "already there", "green"),
        ("of a newer version", "Done", "superseded", "green"),
    )
    for number, (found, result, why, kind) in enumerate(answers):
        y = 178.0 + 64 * number
        drawing.line((40, 150), (40, y + 25))
        drawing.arrow((40, y + 25), (318, y + 25))
        drawing.notes(50, y + 18, found)
        drawing.box(318, y, 130, result, why, kind=kind)
    drawing.arrow((40, 331), (40, 384))
    drawing.notes(50, 374, "of an older version")
    drawing.box(
        12, 384, 250, "PUT with If-Match: its ETag", "write if nobody else has", kind="blue"
    )
    drawing.arrow((262, 400), (292, 400), (292, 116), (262, 116), dashed=True)
    drawing.notes(300, 396, "412, 404 or 409:", "look again")
    drawing.arrow((137, 434), (137, 460))
    drawing.box(
        12,
        460,
        436,
        "HEAD of the input",
        "if it is newer than what was written: predict it too",
        kind="blue",
    )
    return drawing.svg()


def types() -> str:
    """Draw which of three rules decides the type of a column."""
    drawing = Drawing(
        "The setting decides the type of a column; if it says nothing, the fitted model; if that "
        "says nothing, pandas' choice for the whole file. A cell without a place in the type "
        "makes its row a bad row.",
        384,
    )
    rules = (
        ("1. WORKER_DTYPES", "what you have set"),
        ("2. The fitted model", "what training saw in the column"),
        ("3. pandas, for the whole file", "first rows now, all rows in the end"),
    )
    for number, (rule, what) in enumerate(rules):
        y = 16.0 + 88 * number
        drawing.box(12, y, 272, rule, what, kind="blue")
        drawing.line((284, y + 25), (392, y + 25))
        drawing.notes(292, y + 18, "says a type")
        if number < len(rules) - 1:
            drawing.arrow((148, y + 50), (148, y + 88))
            drawing.notes(158, y + 74, "says nothing")
    drawing.arrow((392, 41), (392, 282))
    drawing.box(248, 282, 200, "Each cell has a place?", kind="sand")
    drawing.arrow((300, 314), (300, 332), (117, 332), (117, 340))
    drawing.arrow((392, 314), (392, 340))
    drawing.notes(126, 326, "yes")
    drawing.notes(400, 332, "no")
    drawing.box(12, 340, 210, "The row is predicted", kind="green")
    drawing.box(238, 340, 210, "Bad row: line, reason", kind="red")
    return drawing.svg()


def parts() -> str:
    """Draw one large file, predicted in parts by three processes."""
    drawing = Drawing(
        f"A file is cut at each {PART}. Three processes predict a part each. A part counts only if "
        "it begins where the part before it has ended; else it is predicted again.",
        430,
    )
    left, width = 12, 109
    drawing.text(left, 24, f"The file, cut at each {PART}", "strong")
    for number in range(4):
        x = left + width * number
        drawing.bar(x, 34, width, 30)
        drawing.text(x + width / 2, 54, f"part {number}", "", "middle")
    drawing.text(left, 94, "Each process guesses where its first row begins", "strong")
    for number in range(3):
        x = left + width * number
        drawing.arrow((x + width / 2, 104), (x + width / 2, 122))
        drawing.bar(x + (6 if number else 0), 122, width - 8, 30, kind="blue")
        drawing.text(x + width / 2, 142, f"process {number + 1}", "", "middle")
    drawing.notes(left + 3 * width + 8, 134, "waits for a", "free process")
    drawing.text(left, 186, "Does it begin where the part before it ended?", "strong")
    for number, (answer, kind) in enumerate(
        (("first row", "green"), ("yes", "green"), ("no", "red"))
    ):
        x = left + width * number
        drawing.bar(x + 4, 198, width - 8, 30, kind=kind)
        drawing.text(x + width / 2, 218, answer, "", "middle")
    drawing.arrow((left + 2.5 * width, 228), (left + 2.5 * width, 258))
    drawing.bar(left + 2 * width + 4, 258, width - 8, 30, kind="sand")
    drawing.text(left + 2.5 * width, 278, "again", "", "middle")
    drawing.notes(left + 3 * width + 2, 272, "from where", "part 1 ended")
    for number, top in ((0, 228), (1, 228), (2, 288)):
        middle = left + width * (number + 0.5)
        drawing.arrow((middle, top), (middle, 322))
    drawing.box(
        left,
        322,
        436,
        "The output, in the order of the file",
        "one upload in parts, published by one request",
        kind="green",
    )
    drawing.notes(
        left,
        396,
        "A guess that is wrong costs time. It never costs a row,",
        "and it never changes a byte of the output.",
    )
    return drawing.svg()


def rooms() -> str:
    """Draw the rooms of the worker, and which of them imports which."""
    drawing = Drawing(
        "main imports service, service imports jobs, jobs imports queue, storage, events and "
        "pool. The pool process imports scoring, and scoring imports formats and models.",
        540,
    )
    drawing.box(161, 16, 138, "__main__")
    drawing.arrow((230, 48), (230, 76))
    drawing.box(130, 76, 200, "service", "start, run, shut down")
    drawing.arrow((230, 126), (230, 154))
    drawing.box(12, 154, 436, "jobs", "one message to its outcome", kind="blue")
    for x, room, what in (
        (12, "queue", "leases"),
        (123, "events", "EventBridge"),
        (234, "storage", "S3"),
        (345, "pool", "processes"),
    ):
        drawing.arrow((x + 51, 204), (x + 51, 232))
        drawing.box(x, 232, 103, room, what, kind="blue")
    drawing.arrow((63, 282), (63, 330))
    drawing.arrow((137, 282), (137, 330))
    drawing.box(12, 330, 138, "lifecycle", "stop, breaker")
    drawing.arrow((379, 282), (379, 330), dashed=True)
    drawing.notes(372, 302, "in the pool", "process", anchor="end")
    drawing.box(236, 330, 212, "scoring", "one file to predictions", kind="green")
    drawing.arrow((267, 380), (267, 408))
    drawing.arrow((379, 380), (379, 408))
    drawing.box(161, 408, 138, "formats", "files to tables", kind="green")
    drawing.box(310, 408, 138, "models", "predictors", kind="green")
    drawing.box(
        12,
        476,
        436,
        "root, aws, advice, distributions, footers",
        "every room may import these: settings, errors, logs, ...",
    )
    return drawing.svg()


def road() -> str:
    """Draw the way of a message that goes well."""
    sqs, queue, jobs, s3, pool = lanes = ("SQS", "queue", "jobs", "S3", "pool")
    return sequence(
        "A message that goes well: it is received, leased and run. Its file is read from S3, "
        "predicted in a pool process and written to S3. Then the message is deleted.",
        lanes,
        (
            (queue, queue, "reserve slots (flow)"),
            (queue, sqs, "ReceiveMessage, at most as many as there are slots"),
            (queue, queue, "claim each message, buffer it (leases, flow)"),
            (queue, sqs, "heartbeats from here to step 17 (leases)"),
            (jobs, queue, "take a message; confirm its lease if it waited (processor)"),
            (jobs, jobs, "start the timeout, reserve bytes (runner, limits)"),
            (jobs, s3, "GET the first 5 MiB (storage/streaming)"),
            (jobs, pool, "assign the job, send its first bytes (pool/channel)"),
            (pool, jobs, "ask for byte ranges, if the input is large"),
            (jobs, s3, "GET ranges, ahead of their reader (storage/streaming)"),
            (pool, jobs, "the output in pieces (scoring, formats, models)"),
            (jobs, s3, "UploadPart, if the output is larger than one part"),
            (pool, jobs, "counts of rows and of rejected rows"),
            (jobs, queue, "check the lease (output_writer)"),
            (jobs, s3, "PUT or CompleteMultipartUpload, If-None-Match"),
            (jobs, jobs, "if events are on: wait until EventBridge has it (announcing)"),
            (jobs, queue, "settle: end the lease, wait for its heartbeat (settlement)"),
            (queue, sqs, "DeleteMessageBatch, up to ten (deletes)"),
            (queue, queue, "give the slot back (flow)"),
        ),
    )


def states() -> str:
    """Draw the states of a message, and what moves it from one to the next."""
    drawing = Drawing(
        "A message is visible, buffered, running and done, and then deleted. It may also be "
        "released, wait in backoff, be rejected, or expire.",
        424,
    )
    middle = 185
    rows = (("visible", 16, "sand"), ("buffered", 106, "blue"), ("running", 196, "blue"))
    for name, y, kind in (*rows, ("done", 286, "green"), ("deleted", 376, "plain")):
        drawing.box(120, y, 130, name, kind=kind)
    for y, moved in ((48, "received"), (138, "taken"), (228, "output is"), (318, "delete is")):
        drawing.arrow((middle, y), (middle, y + 58))
        drawing.notes(middle - 6, y + 32, moved, anchor="end")
    drawing.notes(middle - 6, 275, "durable", anchor="end")
    drawing.notes(middle - 6, 365, "confirmed", anchor="end")
    drawing.line((120, 122), (60, 122), (60, 32))
    drawing.line((120, 212), (60, 212), (60, 122))
    drawing.arrow((60, 32), (120, 32))
    drawing.notes(12, 80, "stop:", "released")
    drawing.arrow((120, 220), (30, 220), (30, 392), (120, 392))
    drawing.notes(36, 310, "its run is", "cancelled")
    drawing.box(318, 106, 110, "expired", kind="red")
    drawing.box(318, 196, 110, "backoff", kind="sand")
    drawing.box(318, 286, 110, "rejected", kind="red")
    drawing.arrow((250, 122), (318, 122))
    drawing.arrow((250, 204), (284, 204), (284, 130), (318, 130))
    drawing.notes(256, 62, "lease lost,", "or killed")
    drawing.arrow((250, 212), (318, 212))
    drawing.notes(258, 226, "retry")
    drawing.arrow((250, 220), (250, 236), (300, 236), (300, 302), (318, 302))
    drawing.notes(296, 268, "permanent", anchor="end")
    drawing.arrow((373, 286), (373, 228))
    drawing.notes(380, 262, "no report")
    drawing.arrow((373, 318), (373, 392), (250, 392))
    drawing.notes(380, 346, "reported")
    drawing.line((428, 122), (448, 122), (448, 24))
    drawing.line((428, 212), (448, 212), (448, 122))
    drawing.arrow((448, 24), (250, 24))
    drawing.notes(300, 18, "its time is over")
    return drawing.svg()


DRAWINGS: Mapping[str, Callable[[], str]] = {
    drawing.__name__: drawing
    for drawing in (
        overview, waking, tokens, lease, settling, writing, types, parts, rooms, road, states
    )
}  # fmt: skip
