"""Keep how a checked file is read, and what a superuser chose for files with the same columns.

Workers with the previous version write import runs without it, and read every file as before.
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0021"
down_revision = "0020"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("import_runs", sa.Column("reading", JSONB()))
    op.create_table(
        "import_choices",
        sa.Column("user_id", sa.BigInteger(), nullable=False),
        sa.Column("columns", sa.LargeBinary(32), nullable=False),
        sa.Column("reading", JSONB(), nullable=False),
        sa.Column("used_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("user_id", "columns", name="pk_import_choices"),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name="fk_import_choices_user_id", ondelete="CASCADE"),
    )


def downgrade() -> None:
    op.drop_table("import_choices")
    op.drop_column("import_runs", "reading")
