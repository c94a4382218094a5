"""Keep the counts of users by triggers, for any writer, and fill them for the users that are there.

Statement-level triggers see all rows of a statement at once, so a bulk of a million rows appends a few deltas only.
Creating a trigger locks out writers until this migration commits, so the backfill misses nobody.
"""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

# SECURITY DEFINER, so that any writer of users is counted without rights on the tally; a fixed search_path, so that a
# writer with another one cannot divert the deltas (PostgreSQL manual, "Writing SECURITY DEFINER Functions Safely").
FUNCTION = """
CREATE FUNCTION {name}() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = {schema}, pg_temp AS $$
BEGIN
    {body}
    RETURN NULL;
END $$
"""

DELTAS = """
    INSERT INTO user_tally_deltas (day, is_active, is_superuser, users)
    SELECT (created_at AT TIME ZONE 'UTC')::date, is_active, is_superuser, sum(delta)
    FROM ({rows}) AS changed (created_at, is_active, is_superuser, delta)
    GROUP BY 1, 2, 3 HAVING sum(delta) <> 0;
"""

ADDED = "SELECT created_at, is_active, is_superuser, 1 FROM added"
REMOVED = "SELECT created_at, is_active, is_superuser, -1 FROM removed"

TRIGGERS = {
    "insert": ("REFERENCING NEW TABLE AS added", DELTAS.format(rows=ADDED)),
    "delete": ("REFERENCING OLD TABLE AS removed", DELTAS.format(rows=REMOVED)),
    "update": (
        "REFERENCING OLD TABLE AS removed NEW TABLE AS added",
        DELTAS.format(rows=f"{ADDED} UNION ALL {REMOVED}"),
    ),
    # TRUNCATE, not DELETE: it waits for a fold under way, and takes what that has written. The tables stand in the
    # order in which a fold locks them.
    "truncate": ("", "TRUNCATE user_tally_deltas, user_tally;"),
}


def upgrade() -> None:
    for table, key in (("user_tally", ["day", "is_active", "is_superuser"]), ("user_tally_deltas", [])):
        op.create_table(
            table,
            sa.Column("day", sa.Date(), nullable=False),
            sa.Column("is_active", sa.Boolean(), nullable=False),
            sa.Column("is_superuser", sa.Boolean(), nullable=False),
            sa.Column("users", sa.BigInteger(), nullable=False),
            *([sa.PrimaryKeyConstraint(*key, name=f"pk_{table}")] if key else []),
        )
    schema = op.get_bind().scalar(sa.text("SELECT quote_ident(current_schema())"))
    for event, (tables, body) in TRIGGERS.items():
        name = f"user_tally_{event}"
        op.execute(FUNCTION.format(name=name, schema=schema, body=body.strip()))
        op.execute(f"CREATE TRIGGER {name} AFTER {event.upper()} ON users {tables} FOR EACH STATEMENT EXECUTE FUNCTION {name}()")
    op.execute(
        "INSERT INTO user_tally (day, is_active, is_superuser, users) "
        "SELECT (created_at AT TIME ZONE 'UTC')::date, is_active, is_superuser, count(*) FROM users GROUP BY 1, 2, 3"
    )


def downgrade() -> None:
    for event in reversed(TRIGGERS):
        op.execute(f"DROP TRIGGER user_tally_{event} ON users")
        op.execute(f"DROP FUNCTION user_tally_{event}()")
    op.drop_table("user_tally_deltas")
    op.drop_table("user_tally")
