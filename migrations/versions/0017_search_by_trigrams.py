"""Search folded text by trigrams, and sort by the index that keeps names unique.

``search_text`` now holds the names without case, accents and widths (``user_search_fold``), so that ``siobhan`` finds Siobhán.
Its index is ``pg_trgm``'s. It also holds single characters, for terms that have no trigram, and the day and the status, for
ranges of a list. The unique indexes on names now include the columns that a list filters by, so they serve the lists by name.

``pg_trgm`` is a trusted extension: the database's owner may create it. Where this role may not, the migration changes nothing,
and the message says what an administrator runs. All indexes are built concurrently, and the old text is rewritten in small
steps. Until they restart, workers with the previous version search and sort by name with a sequential scan. Their searches for
a term with blanks or punctuation find only the users whose text is not yet rewritten.
"""

import time
from pathlib import Path

import sqlalchemy as sa
from alembic import op
from click import ClickException
from psycopg2.errorcodes import DEADLOCK_DETECTED, LOCK_NOT_AVAILABLE, UNDEFINED_FILE

revision = "0017"
down_revision = "0016"
branch_labels = None
depends_on = None

STATUSES = {"superusers": "is_superuser", "inactive": "NOT is_active"}
STATUS = "(is_active::integer * 2 + is_superuser::integer)"
DAY_STATUS = f"((((created_at AT TIME ZONE 'UTC')::date - '2000-01-01'::date) * 4) + {STATUS})"
PREVIOUS = ["ix_users_by_{0}", "ix_users_superusers_by_{0}", "ix_users_inactive_by_{0}"]
# Rows that one statement rewrites; and after which part of the table the space of their old versions is made free.
ROWS_PER_STEP = 5_000
VACUUM_AFTER = 0.125
# Indexes that the rewritten rows have made half as large again.
GROWN = ["pk_users", "ix_users_is_active", "ix_users_is_superuser", "ix_users_created_at", "ix_users_never_logged_in"]
GROWN += ["ix_users_with_password", "ix_users_without_password"]
# Requests wait behind a statement that waits for the table, so it waits for a second and then lets them pass.
WAIT = "1s"


def upgrade() -> None:
    schema = op.get_bind().scalar(sa.text("SELECT quote_ident(current_schema())"))
    _require_trigrams()
    _execute(Path(__file__).with_name("0017_user_search_fold.sql").read_text("utf-8").replace("{schema}", schema))
    with op.get_context().autocommit_block():
        op.execute("SET maintenance_work_mem = '256MB'")
        # The rows first: each is written anew, with an entry in every index that is there.
        for name in ["ix_users_search", *(name.format(column) for name in PREVIOUS for column in ("email", "username"))]:
            op.drop_index(name, "users", if_exists=True, postgresql_concurrently=True)
        _rewrite("concat_ws(chr(31), user_search_fold(username), user_search_fold(email), user_search_fold(full_name))")
        for column in ("email", "username"):
            included = [column, "id", "is_active", "is_superuser"]
            _create(f"uq_users_{column}_new", _name_key(column), unique=True, postgresql_include=included)
            for status, condition in STATUSES.items():
                where = sa.text(condition)
                _create(f"ix_users_{status}_{column}", _name_key(column), postgresql_where=where, postgresql_include=included)
        _take_over([f"uq_users_{column}" for column in ("email", "username")])
        trigrams = op.get_bind().scalar(sa.text(_TRIGRAMS))
        keys = [f"search_text {trigrams}.gin_trgm_ops", "string_to_array(search_text, NULL)"]
        _create("ix_users_search", *keys, f"(ARRAY[{DAY_STATUS}])", f"(ARRAY[{STATUS}])", postgresql_using="gin")


def downgrade() -> None:
    """The extension stays: others may use it by now."""
    _execute(_PREVIOUS_TEXT)
    with op.get_context().autocommit_block():
        op.execute("SET maintenance_work_mem = '256MB'")
        op.drop_index("ix_users_search", "users", if_exists=True, postgresql_concurrently=True)
        _rewrite(f"translate(lower(concat_ws(chr(31), username, email, full_name)), {_GAPS}, '{_LETTERS}')")
        for column in ("email", "username"):
            included = [column, "id", "is_active", "is_superuser", "search_text"]
            sort_key = f'(lower({column}) COLLATE "C")'
            for name, where in zip(PREVIOUS, (None, *STATUSES.values()), strict=True):
                options = {"postgresql_where": where and sa.text(where), "postgresql_include": included}
                _create(name.format(column), sort_key, **options)
            _create(f"uq_users_{column}_new", _name_key(column), unique=True)
            for status in STATUSES:
                op.drop_index(f"ix_users_{status}_{column}", "users", if_exists=True, postgresql_concurrently=True)
        _take_over([f"uq_users_{column}" for column in ("email", "username")])
        _create("ix_users_search", *_PREVIOUS_KEYS, postgresql_using="gin")
    op.execute("DROP FUNCTION user_search_fold(text), user_search_fold_letters(text)")


_TRIGRAMS = """
    SELECT quote_ident(nspname) FROM pg_extension JOIN pg_namespace ON pg_namespace.oid = extnamespace WHERE extname = 'pg_trgm'
"""


def _require_trigrams() -> None:
    """:raises ClickException: this role may not create the extension, or the server does not have it."""
    bind = op.get_bind()
    if bind.scalar(sa.text(_TRIGRAMS)):
        return
    try:
        with bind.begin_nested():
            bind.execute(sa.text("CREATE EXTENSION pg_trgm"))
    except sa.exc.DBAPIError as error:
        if getattr(error.orig, "pgcode", None) == UNDEFINED_FILE:
            message = (
                "The search needs PostgreSQL's extension pg_trgm, and this server does not have it. Install its contrib package"
            )
        else:
            database = bind.scalar(sa.text("SELECT quote_ident(current_database())"))
            message = (
                "The search needs PostgreSQL's extension pg_trgm, which this role may not create. "
                f"Have an administrator run 'CREATE EXTENSION pg_trgm' in the database {database}"
            )
        raise ClickException(f"{message}, then run 'flask db upgrade' again.") from error


def _execute(statement: str) -> int:
    # As it is: a colon or a percent sign in it means nothing.
    return op.get_bind().exec_driver_sql(statement, execution_options={"no_parameters": True}).rowcount


def _name_key(column: str) -> str:
    return f'(user_name_key({column}) COLLATE "C")'


def _create(name: str, *keys: str, **options: object) -> None:
    op.drop_index(name, "users", if_exists=True, postgresql_concurrently=True)  # an interrupted run leaves an invalid one
    op.create_index(name, "users", [sa.text(key) for key in keys], postgresql_concurrently=True, **options)


def _take_over(names: list[str]) -> None:
    """Let the new unique indexes take the place of the old ones, in one transaction: at no moment is a name not unique."""
    statements = [f"DROP INDEX {', '.join(names)}", *(f"ALTER INDEX {name}_new RENAME TO {name}" for name in names)]
    op.execute(f"SET lock_timeout = '{WAIT}'")
    while True:
        try:
            _execute(";".join(statements))  # sent together, they are one transaction
            break
        except sa.exc.OperationalError as error:
            if getattr(error.orig, "pgcode", None) != LOCK_NOT_AVAILABLE:
                raise
            time.sleep(1)
    op.execute("RESET lock_timeout")


def _rewrite(text: str) -> None:
    """Let the trigger write ``search_text`` anew in each row where it is not yet this expression's value."""
    bind = op.get_bind()
    step = sa.text(f"SELECT max(id) FROM (SELECT id FROM users WHERE id > :after ORDER BY id LIMIT {ROWS_PER_STEP}) AS step")
    after, rewritten, freed = -(2**63), 0, 0
    vacuum_after = VACUUM_AFTER * bind.scalar(sa.text("SELECT count(*) FROM users"))
    while (upto := bind.scalar(step, {"after": after})) is not None:
        try:
            rewritten += _execute(
                f"UPDATE users SET search_text = NULL WHERE id IN (SELECT id FROM users WHERE id > {after} AND id <= {upto}"
                f" AND search_text IS DISTINCT FROM {text} ORDER BY id FOR NO KEY UPDATE)"
            )
        except sa.exc.OperationalError as error:
            if getattr(error.orig, "pgcode", None) != DEADLOCK_DETECTED:
                raise
            continue
        after = upto
        if rewritten > freed + vacuum_after:
            op.execute("VACUUM users")
            freed = rewritten
    if rewritten:
        op.execute("VACUUM ANALYZE users")
        for name in GROWN:
            op.execute(f"REINDEX INDEX CONCURRENTLY {name}")


# What 0013 made; a migration imports no other.
_GAPS = r"""' !"#$%&''()*+,-./:;<=>?@[\]^_`{|}~' || chr(31)"""
_LETTERS = "ⰰⰱⰲⰳⰴⰵⰶⰷⰸⰹⰺⰻⰼⰽⰾⰿⱀⱁⱂⱃⱄⱅⱆⱇⱈⱉⱊⱋⱌⱍⱎⱏⱐⱑ"
_PREVIOUS_TEXT = f"""
CREATE OR REPLACE FUNCTION user_search_text() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    NEW.search_text := translate(
        lower(NEW.username || chr(31) || NEW.email || chr(31) || COALESCE(NEW.full_name, '')), {_GAPS}, '{_LETTERS}'
    );
    RETURN NEW;
END $$
"""
_GRAMS = r"""(array_to_tsvector(array_remove(
    string_to_array(search_text, NULL) || string_to_array(
        regexp_replace(search_text, '(..)', '\1 ', 'g') || ' ' || regexp_replace(substr(search_text, 2), '(..)', '\1 ', 'g')
        || ' ' || regexp_replace(search_text, '(...)', '\1 ', 'g')
        || ' ' || regexp_replace(substr(search_text, 2), '(...)', '\1 ', 'g')
        || ' ' || regexp_replace(substr(search_text, 3), '(...)', '\1 ', 'g'), ' '
    ) || ARRAY[
        'username:' || rpad(lower(username), 1), 'username:' || rpad(lower(username), 2), 'username:' || rpad(lower(username), 3),
        'username:' || rpad(lower(username), 4), 'username:' || rpad(lower(username), 5),
        'email:' || rpad(lower(email), 1), 'email:' || rpad(lower(email), 2), 'email:' || rpad(lower(email), 3),
        'email:' || rpad(lower(email), 4), 'email:' || rpad(lower(email), 5)
    ], ''
)))"""
_BEGINNINGS = [f"rpad(lower({{0}}), {length})" for length in range(1, 6)]
_CHARACTERS, _GROUPS = " +-.0123456789_abcdefghijklmnopqrstuvwxyz", "AAAAAAAAAAAAAAABBBBBCCCCCDDDDDEEEEEFFFFFF"
_IN_GROUPS = [
    f"rpad(lower({{0}}), {length - 1}) || translate(substr(rpad(lower({{0}}), {length}), {length}), '{_CHARACTERS}', '{_GROUPS}')"
    for length in range(1, 4)
]
_PARTS = "(ARRAY[" + ", ".join([*_BEGINNINGS, *_IN_GROUPS, "NULLIF(left(lower({0}), 5) ~ '[^a-z0-9._+-]', false)::text"]) + "])"
_PREVIOUS_KEYS = [
    _GRAMS,
    "(ARRAY[(created_at AT TIME ZONE 'UTC')::date])",
    "(ARRAY[is_active])",
    "(ARRAY[is_superuser])",
    _PARTS.format("username"),
    _PARTS.format("email"),
]
