"""Compare names by rules of our own, which no locale of a database changes; and let a username be as long as an address.

Until now the unique indexes were on ``lower(…)``, which follows the locale. From here on they are on ``user_name_key(…)``:
Unicode's NFC, the simple case folding of Unicode 14 (and İ as i), and domains in Unicode (an ``xn--`` label is decoded). It is an
expression index, so no row is written, and whoever inserts a user needs to know nothing of it. The indexes that sort and search
stay as they were, without being unique.

The indexes on the e-mail address are built beside the old ones. A longer username is another type of its column, which PostgreSQL
refuses while a generated column reads it, and for which it builds the indexes on it anew behind a lock. So ``search_text`` is
kept by a trigger from here on; the indexes on usernames are dropped and built again beside the traffic, all but the unique one.
That one is small: the lock lasted 0.8 s with 230,000 users on a busy machine with two cores. Until the others are built, searches
and lists by username read the table. A prepared statement does not survive the new type, so sessions of the service that are
older than it are ended while they are idle; their pools open new ones.
"""

import time
from pathlib import Path

import sqlalchemy as sa
from alembic import op
from click import ClickException
from psycopg2.errorcodes import LOCK_NOT_AVAILABLE

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None

# Simple case folding: code points in hexadecimal, ``first-last/step:distance``.
FOLDED = """
B5:775 C0-D6:32 D8-DE:32 100-12E/2:1 130:-199 132-136/2:1 139-147/2:1 14A-176/2:1 178:-121 179-17D/2:1 17F:-268 181:210
182-184/2:1 186:206 187:1 189-18A:205 18B:1 18E:79 18F:202 190:203 191:1 193:205 194:207 196:211 197:209 198:1 19C:211 19D:213
19F:214 1A0-1A4/2:1 1A6:218 1A7:1 1A9:218 1AC:1 1AE:218 1AF:1 1B1-1B2:217 1B3-1B5/2:1 1B7:219 1B8-1BC/4:1 1C4:2 1C5:1 1C7:2
1C8:1 1CA:2 1CB-1DB/2:1 1DE-1EE/2:1 1F1:2 1F2-1F4/2:1 1F6:-97 1F7:-56 1F8-21E/2:1 220:-130 222-232/2:1 23A:10795 23B:1
23D:-163 23E:10792 241:1 243:-195 244:69 245:71 246-24E/2:1 345:116 370-372/2:1 376:1 37F:116 386:38 388-38A:37 38C:64
38E-38F:63 391-3A1:32 3A3-3AB:32 3C2:1 3CF:8 3D0:-30 3D1:-25 3D5:-15 3D6:-22 3D8-3EE/2:1 3F0:-54 3F1:-48 3F4:-60 3F5:-64 3F7:1
3F9:-7 3FA:1 3FD-3FF:-130 400-40F:80 410-42F:32 460-480/2:1 48A-4BE/2:1 4C0:15 4C1-4CD/2:1 4D0-52E/2:1 531-556:48
10A0-10C5:7264 10C7:7264 10CD:7264 13F8-13FD:-8 1C80:-6222 1C81:-6221 1C82:-6212 1C83-1C84:-6210 1C85:-6211 1C86:-6204
1C87:-6180 1C88:35267 1C90-1CBA:-3008 1CBD-1CBF:-3008 1E00-1E94/2:1 1E9B:-58 1E9E:-7615 1EA0-1EFE/2:1 1F08-1F0F:-8
1F18-1F1D:-8 1F28-1F2F:-8 1F38-1F3F:-8 1F48-1F4D:-8 1F59-1F5F/2:-8 1F68-1F6F:-8 1F88-1F8F:-8 1F98-1F9F:-8 1FA8-1FAF:-8
1FB8-1FB9:-8 1FBA:-74 1FBC:-9 1FC8-1FCA/2:-86 1FCC:-9 1FD8-1FD9:-8 1FDA:-100 1FE8-1FE9:-8 1FEA:-112 1FEC:-7 1FF8:-128
1FFA:-126 1FFC:-9 2132:28 2160-216F:16 2183:1 24B6-24CF:26 2C00-2C2F:48 2C60:1 2C62:-10743 2C63:-3814 2C64:-10727
2C67-2C6B/2:1 2C6D:-10780 2C6E:-10749 2C6F:-10783 2C70:-10782 2C72:1 2C75:1 2C7E-2C7F:-10815 2C80-2CE2/2:1 2CEB-2CED/2:1
2CF2:1 A640-A66C/2:1 A680-A69A/2:1 A722-A72E/2:1 A732-A76E/2:1 A779-A77B/2:1 A77D:-35332 A77E-A786/2:1 A78B:1 A78D:-42280
A790-A792/2:1 A796-A7A8/2:1 A7AA:-42308 A7AB:-42319 A7AC:-42315 A7AD:-42305 A7AE:-42308 A7B0:-42258 A7B1:-42282 A7B2:-42261
A7B3:928 A7B4-A7C2/2:1 A7C4:-48 A7C5:-42307 A7C6:-35384 A7C7-A7C9/2:1 A7D0:1 A7D6-A7D8/2:1 A7F5:1 AB70-ABBF:-38864
FF21-FF3A:32 10400-10427:40 104B0-104D3:40 10570-1057A:39 1057C-1058A:39 1058C-10592:39 10594-10595:39 10C80-10CB2:64
118A0-118BF:32 16E40-16E5F:32 1E900-1E921:34
"""


def _translation() -> tuple[str, str]:
    capitals, small = [], []
    for entry in FOLDED.split():
        span, distance = entry.split(":")
        span, _, step = span.partition("/")
        first, _, last = span.partition("-")
        for code in range(int(first, 16), int(last or first, 16) + 1, int(step or 1)):
            capitals.append(chr(code))
            small.append(chr(code + int(distance)))
    return "".join(capitals), "".join(small)


# See models/user.py; here in full, since a migration stays as it was.
GAPS = " !\"#$%&''()*+,-./:;<=>?@[\\]^_`{|}~"
LETTERS = "ⰰⰱⰲⰳⰴⰵⰶⰷⰸⰹⰺⰻⰼⰽⰾⰿⱀⱁⱂⱃⱄⱅⱆⱇⱈⱉⱊⱋⱌⱍⱎⱏⱐⱑ"
SEARCH_TEXT = (
    "translate(lower({0}username || chr(31) || {0}email || chr(31) || COALESCE({0}full_name, '')), "
    f"'{GAPS.replace('{', '{{').replace('}', '}}')}' || chr(31), '{LETTERS}')"
)
SEARCHED = f"""
CREATE OR REPLACE FUNCTION user_search_text() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    NEW.search_text := {SEARCH_TEXT.format("NEW.")};
    RETURN NEW;
END $$
"""
TRIGGER = """
CREATE OR REPLACE TRIGGER user_search_text BEFORE INSERT OR UPDATE OF username, email, full_name, search_text ON users
FOR EACH ROW EXECUTE FUNCTION user_search_text()
"""
GRAMS = r"""(array_to_tsvector(array_remove(
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
MARKS = ["(ARRAY[(created_at AT TIME ZONE 'UTC')::date])", "(ARRAY[is_active])", "(ARRAY[is_superuser])"]
BEGINNINGS = [f"rpad(lower({{0}}), {length})" for length in range(1, 6)]
LETTERS, GROUPS = " +-.0123456789_abcdefghijklmnopqrstuvwxyz", "AAAAAAAAAAAAAAABBBBBCCCCCDDDDDEEEEEFFFFFF"
IN_GROUPS = [
    f"rpad(lower({{0}}), {length - 1}) || translate(substr(rpad(lower({{0}}), {length}), {length}), '{LETTERS}', '{GROUPS}')"
    for length in range(1, 4)
]
UNUSUAL_START = "NULLIF(left(lower({0}), 5) ~ '[^a-z0-9._+-]', false)::text"

SORTED = {
    "ix_users_by_{0}": None,
    "ix_users_superusers_by_{0}": "is_superuser",
    "ix_users_inactive_by_{0}": "NOT is_active",
}
COLLIDING = """
    SELECT '{0}' AS field, string_agg(id || ' (' || {0} || ')', ' and ' ORDER BY id) FROM users
    GROUP BY user_name_key({0}) COLLATE "C" HAVING count(*) > 1 ORDER BY min(id)
"""
# Requests wait behind this statement while it waits for the table, so it waits for a second and then lets them pass.
WAIT = "1s"
# Seconds in which sessions that are older than the new type may become idle.
PATIENCE = 30
OLDER = """
    SELECT count(*), count(pg_terminate_backend(pid)) FILTER (WHERE state = 'idle') FROM pg_stat_activity
    WHERE datname = current_database() AND usename = current_user AND application_name = current_setting('application_name')
      AND pid <> pg_backend_pid() AND backend_start < :changed
"""


def upgrade() -> None:
    schema = op.get_bind().scalar(sa.text("SELECT quote_ident(current_schema())"))
    capitals, small = _translation()
    functions = Path(__file__).with_name("0013_user_name_key.sql").read_text("utf-8")
    _execute(functions.format(schema=schema, capitals=capitals, small=small) + SEARCHED)
    with op.get_context().autocommit_block():
        op.execute("SET maintenance_work_mem = '256MB'")
        if not _is_wide():  # else an earlier run was interrupted after that
            _refuse_colliding()
            try:
                for column in ("email", "username"):
                    _create(f"uq_users_{column}_new", f'(user_name_key({column}) COLLATE "C")', unique=True)
            except sa.exc.IntegrityError:
                _refuse_colliding()
                raise
            _sort("email", ["ix_users_by_{0}"])
            _take_over(f"""
                DROP INDEX uq_users_email, uq_users_username, ix_users_search;
                DROP INDEX IF EXISTS ix_users_superusers_by_username, ix_users_inactive_by_username;
                ALTER INDEX uq_users_email_new RENAME TO uq_users_email;
                ALTER INDEX uq_users_username_new RENAME TO uq_users_username;
                ALTER TABLE users ALTER search_text DROP EXPRESSION;
                ALTER TABLE users ALTER username TYPE varchar(254);
                {TRIGGER};
                ALTER TABLE IF EXISTS user_changes ALTER by_username TYPE varchar(254)
            """)
        _end_older_sessions()
        _sort("username", list(SORTED))
        _create_search()


def downgrade() -> None:
    with op.get_context().autocommit_block():
        op.execute("SET maintenance_work_mem = '256MB'")
        # A generated column writes the table anew, so its indexes may as well be dropped before.
        names = [name.format(column) for name in ("uq_users_{0}", *SORTED) for column in ("email", "username")]
        _execute(f"""
            DROP INDEX {", ".join(names)}, ix_users_search;
            DROP TRIGGER user_search_text ON users;
            ALTER TABLE users ALTER username TYPE varchar(50), DROP search_text;
            ALTER TABLE users ADD search_text text GENERATED ALWAYS AS ({SEARCH_TEXT.format("")}) STORED;
            ALTER TABLE IF EXISTS user_changes ALTER by_username TYPE varchar(50) USING left(by_username, 50);
        """)
        for column in ("email", "username"):
            _create(f"uq_users_{column}", _sort_key(column), unique=True, postgresql_include=_included(column))
            _sort(column, list(SORTED)[1:])
        _create_search()
    for function in ("user_search_text()", "user_name_key(text)", "user_name_key_unusual(text)", "user_name_key_label(text)"):
        op.execute(f"DROP FUNCTION {function}")


def _execute(statement: str) -> None:
    # As it is: a colon or a percent sign in it means nothing.
    op.get_bind().exec_driver_sql(statement, execution_options={"no_parameters": True})


def _is_wide() -> bool:
    width = "SELECT atttypmod - 4 FROM pg_attribute WHERE attrelid = 'users'::regclass AND attname = 'username'"
    return bool(op.get_bind().scalar(sa.text(width)) == 254)


def _refuse_colliding() -> None:
    """:raises ClickException: some users have the same name now; it names all of them."""
    groups = [group for column in ("email", "username") for group in op.get_bind().execute(sa.text(COLLIDING.format(column)))]
    if groups:
        lines = "\n".join(f"  {field}: users {users}" for field, users in groups)
        raise ClickException(
            "Nothing was changed: e-mail addresses and usernames are now compared without regard to case, Unicode form and the "
            "spelling of international domains, whatever the database's locale, and these are then the same. Change or delete "
            f"all but one of each line (by id), then run 'flask db upgrade' again:\n{lines}"
        )


def _take_over(statements: str) -> None:
    # Sent together, so they are one transaction: at no moment is a name of a user not unique.
    op.execute(f"SET lock_timeout = '{WAIT}'")
    while True:
        try:
            _execute(statements)
            break
        except sa.exc.OperationalError as error:
            if getattr(error.orig, "pgcode", None) != LOCK_NOT_AVAILABLE:
                raise
            time.sleep(1)
    op.execute("RESET lock_timeout")


def _end_older_sessions() -> None:
    changed = op.get_bind().scalar(sa.text("SELECT clock_timestamp()"))
    until = time.monotonic() + PATIENCE
    while op.get_bind().execute(sa.text(OLDER), {"changed": changed}).one()[0] and time.monotonic() < until:
        time.sleep(0.2)


def _sort_key(column: str) -> str:
    return f'(lower({column}) COLLATE "C")'


def _included(column: str) -> list[str]:
    return [column, "id", "is_active", "is_superuser", "search_text"]


def _sort(column: str, names: list[str]) -> None:
    for name in names:
        where = sa.text(SORTED[name]) if SORTED[name] else None
        _create(name.format(column), _sort_key(column), postgresql_where=where, postgresql_include=_included(column))


def _create_search() -> None:
    parts = "(ARRAY[" + ", ".join([*BEGINNINGS, *IN_GROUPS, UNUSUAL_START]) + "])"
    _create("ix_users_search", GRAMS, *MARKS, parts.format("username"), parts.format("email"), postgresql_using="gin")


def _create(name: str, *keys: str, **options: object) -> None:
    op.drop_index(name, "users", if_exists=True, postgresql_concurrently=True)
    op.create_index(name, "users", [sa.text(key) for key in keys], postgresql_concurrently=True, **options)
