"""Keep the totals of the tally, by triggers on it, so that to count all users is to read four rows and not those of all days."""

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None

# As for the tally itself: whoever writes to it, and under whichever search_path.
FUNCTION = """
CREATE FUNCTION {name}() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = {schema}, pg_temp AS $$
BEGIN
    {body}
    RETURN NULL;
END $$
"""

# In one order, so that two folds cannot wait for each other crosswise.
CHANGED = """
    INSERT INTO user_tally_totals AS kept (is_active, is_superuser, users)
    SELECT is_active, is_superuser, sum(users) FROM ({rows}) AS changed
    GROUP BY 1, 2 HAVING sum(users) <> 0 ORDER BY 1, 2
    ON CONFLICT (is_active, is_superuser) DO UPDATE SET users = kept.users + excluded.users;
"""

ADDED = "SELECT is_active, is_superuser, users FROM added"
REMOVED = "SELECT is_active, is_superuser, -users AS users FROM removed"

TRIGGERS = {
    "insert": ("REFERENCING NEW TABLE AS added", CHANGED.format(rows=ADDED)),
    "delete": ("REFERENCING OLD TABLE AS removed", CHANGED.format(rows=REMOVED)),
    "update": (
        "REFERENCING OLD TABLE AS removed NEW TABLE AS added",
        CHANGED.format(rows=f"{ADDED} UNION ALL {REMOVED}"),
    ),
    "truncate": ("", "TRUNCATE user_tally_totals;"),
}


def upgrade() -> None:
    op.create_table(
        "user_tally_totals",
        sa.Column("is_active", sa.Boolean(), nullable=False),
        sa.Column("is_superuser", sa.Boolean(), nullable=False),
        sa.Column("users", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("is_active", "is_superuser", name="pk_user_tally_totals"),
    )
    schema = op.get_bind().scalar(sa.text("SELECT quote_ident(current_schema())"))
    # Creating a trigger locks out folds until this migration commits, so the totals miss nothing.
    for event, (tables, body) in TRIGGERS.items():
        name = f"user_tally_totals_{event}"
        op.execute(FUNCTION.format(name=name, schema=schema, body=body.strip()))
        op.execute(
            f"CREATE TRIGGER {name} AFTER {event.upper()} ON user_tally {tables} FOR EACH STATEMENT EXECUTE FUNCTION {name}()"
        )
    op.execute(
        "INSERT INTO user_tally_totals (is_active, is_superuser, users) "
        "SELECT is_active, is_superuser, sum(users) FROM user_tally GROUP BY 1, 2"
    )


def downgrade() -> None:
    for event in reversed(TRIGGERS):
        op.execute(f"DROP TRIGGER user_tally_totals_{event} ON user_tally")
        op.execute(f"DROP FUNCTION user_tally_totals_{event}()")
    op.drop_table("user_tally_totals")
