"""The import page: a template, the check of a file, the import of exactly that file, its progress, and its bad rows."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any, BinaryIO, NamedTuple, cast
from uuid import UUID

from flask import abort, make_response, redirect, render_template, request, url_for
from sqlalchemy import Connection
from werkzeug import Response

from rollcall.api import client
from rollcall.api.client import transaction
from rollcall.errors import FieldProblem, ValidationFailed
from rollcall.infra import bodies, deadline, runtime
from rollcall.infra.database import own_connection, session
from rollcall.models.import_run import FILE_NAME_MAX
from rollcall.services.transfer import change_preview, imports, remembered, runs, uploads
from rollcall.services.transfer.imports import ImportReport
from rollcall.services.transfer.reading import FileFormat, Reading
from rollcall.services.transfer.remembered import Plan
from rollcall.web import access, import_choices, operations, wording
from rollcall.web.blueprint import blueprint
from rollcall.web.forms import Form

TIMES = 60
"""An import may take this many times ROLLCALL_REQUEST_TIMEOUT: 30 minutes, enough to hash 100,000 passwords on two cores."""

_TOO_LARGE = (
    "This file is larger than {}, the most that can be sent here. Split it, or have it imported at the command line, "
    "which takes a file of any length: flask users import FILE."
)

_PATH = "/dashboard/users/import"
_RECENT = 5
_TYPES = {FileFormat.CSV: "text/csv; charset=utf-8", FileFormat.NDJSON: "application/x-ndjson"}


class Upload(NamedTuple):
    """The uploaded file. It is not kept after the request.

    :ivar name: as its sender calls it, made fit to be shown and kept.
    """

    name: str
    source: BinaryIO
    plan: Plan

    @property
    def reading(self) -> Reading:
        """How to read it."""
        return self.plan.reading

    @classmethod
    def sent(cls) -> Upload:
        """:raises ValidationFailed: there is none."""
        file = request.files.get("file")
        if file is None or not file.filename:
            raise ValidationFailed([FieldProblem("file", "missing", "Choose a file first.")])
        name = wording.plain(file.filename.rpartition("/")[2], FILE_NAME_MAX - 1) or "file"
        return cls(name, cast(BinaryIO, file.stream), import_choices.sent())


@blueprint.get(_PATH)
@access.superuser
def import_form() -> Response:
    """Show the form for the file."""
    return _page(Form())


@blueprint.post(_PATH)
@access.superuser
@bodies.large
@deadline.limit(times=TIMES)
def import_users() -> Response:
    """Check a file, import a checked file, or return its bad rows or its changes, depending on the button."""
    form = Form.sent()
    try:
        upload = _as_before(Upload.sent())
        perform = {"import": _import, "bad-rows": _bad_rows, "changes": _changes}.get(request.form.get("do", ""), _check)
        return perform(form, upload)
    except ValidationFailed as error:
        return _page(form.refuse(error))


@blueprint.get(f"{_PATH}/<uuid:run_id>")
@access.superuser
def show_import(run_id: UUID) -> Response:
    """Show the progress or the result of an import. A script refreshes a part of the page from here."""
    run = runs.find(session(), run_id, _me())
    if run is None:
        abort(404)
    return make_response(render_template("import_run.html", run=run, operation=operations.of_import(run_id)))


@blueprint.get(f"{_PATH}/template.<any(csv, ndjson):suffix>")
@access.superuser
def import_template(suffix: str) -> Response:
    """Download an example file."""
    file_format = FileFormat(suffix)
    reply = make_response(uploads.template(file_format))
    reply.content_type = _TYPES[file_format]
    reply.headers.set("Content-Disposition", "attachment", filename=f"users-template.{suffix}")
    return reply


def _as_before(upload: Upload) -> Upload:
    """Take the choices of the last file with the same columns, unless the form has some."""
    if import_choices.are_sent():
        return upload
    file = uploads.preview(upload.source, upload.reading, now=runtime.now(), check=deadline.check).file
    kept = file and remembered.find(session(), _me(), file.columns)
    return upload._replace(plan=kept) if kept else upload


def _check(form: Form, upload: Upload) -> Response:
    shown = uploads.preview(upload.source, upload.reading, now=runtime.now(), check=deadline.check)
    digest = runs.digest(upload.source)
    with own_connection() as connection:
        report = _rehearse(connection, upload)
    run, plan, now = None, upload.plan, runtime.now()
    with transaction() as work:
        if shown.file is not None and (import_choices.are_sent() or plan != Plan()):
            runs.remember(work, access.identity(), shown.file, plan, now)
        if report.created + report.changed:
            run = runs.note(work, access.identity(), file_digest=digest, file_name=upload.name, plan=plan, report=report, now=now)
    return _page(form, upload=upload, report=report, preview=shown, run=run, estimate=report.estimate())


def _rehearse(connection: Connection, upload: Upload) -> ImportReport:
    """Check every row. The counts are those of the good rows."""
    return imports.import_users(
        connection,
        upload.source,
        upload.reading,
        dry_run=True,
        now=runtime.now(),
        progress=lambda *_: None,
        check=deadline.check,
        existing=upload.plan.existing,
        only_good=True,
    )


def _import(form: Form, upload: Upload) -> Response:
    digest = runs.digest(upload.source)
    run = runs.require(session(), _run_sent(), _me(), digest, runtime.now())
    with own_connection() as connection, own_connection(autocommit=True) as aside:
        report = runs.perform(
            connection,
            aside,
            upload.source,
            run,
            access.identity(),
            clock=runtime.now,
            check=deadline.check,
            origin=client.origin(),
        )
    if report is not None and runs.is_refused(report):
        return _page(form, upload=upload._replace(plan=Plan(run.reading, run.existing)), report=report, late=True)
    return redirect(url_for(".show_import", run_id=run.id), 303)


def _run_sent() -> UUID | None:
    try:
        return UUID(request.form.get("run", ""))
    except ValueError:
        return None


def _bad_rows(_form: Form, upload: Upload) -> Response:
    def write(connection: Connection, target: BinaryIO) -> None:
        uploads.write_bad_rows(
            connection,
            upload.source,
            upload.reading,
            target,
            now=runtime.now(),
            check=deadline.check,
            existing=upload.plan.existing,
        )

    return _download("bad-rows.csv", write)


def _changes(_form: Form, upload: Upload) -> Response:
    def write(connection: Connection, target: BinaryIO) -> None:
        _rehearse(connection, upload)
        change_preview.write(connection, target, check=deadline.check)

    return _download("changes.csv", write)


def _download(name: str, write: Callable[[Connection, BinaryIO], None]) -> Response:
    """Answer a CSV file once it is complete."""
    with ExitStack() as unread:
        target = unread.enter_context(tempfile.TemporaryFile())
        with own_connection() as connection:
            write(connection, target)
        unread.pop_all()  # whoever reads it closes it
    reply = deadline.stream(_read(target), content_type=_TYPES[FileFormat.CSV])
    reply.headers.set("Content-Disposition", "attachment", filename=name)
    return reply


def _read(file: BinaryIO) -> Iterator[bytes]:
    with file:
        file.seek(0)
        while chunk := file.read(1 << 16):
            yield chunk


def too_large() -> str:
    """Return the message for a file that is too large."""
    return _TOO_LARGE.format(_max_size())


def _max_size() -> str:
    return f"{round(runtime.settings().max_body_bytes / (1 << 20), 1):g} MiB"


def _page(form: Form, report: ImportReport | None = None, **context: Any) -> Response:
    if report is not None and report.problem_count:
        form.status = 422
    return form.page(
        "import.html",
        report=report,
        choices=import_choices,
        value=change_preview.shown,
        limit=runtime.settings().request_timeout * TIMES,
        max_size=_max_size(),
        recent=runs.recent(session(), _me(), _RECENT),
        **context,
    )


def _me() -> int:
    return access.identity().user.id
