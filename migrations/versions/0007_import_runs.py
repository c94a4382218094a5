"""The imports of the browser: which file was checked, how far its import is, and that none is done twice."""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "import_runs",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("user_id", sa.BigInteger(), nullable=False),
        sa.Column("digest", sa.LargeBinary(32), nullable=False),
        sa.Column("file_name", sa.String(100), nullable=False),
        sa.Column("file_format", sa.String(10), nullable=False),
        sa.Column("checked_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("started_at", sa.DateTime(timezone=True)),
        sa.Column("finished_at", sa.DateTime(timezone=True)),
        sa.Column("stage", sa.String(10), nullable=False),
        sa.Column("done", sa.BigInteger(), nullable=False),
        sa.Column("total", sa.BigInteger(), nullable=False),
        sa.Column("created", sa.BigInteger()),
        sa.Column("error", sa.Text()),
        sa.PrimaryKeyConstraint("id", name="pk_import_runs"),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name="fk_import_runs_user_id", ondelete="CASCADE"),
    )
    op.create_index("ix_import_runs_user_id", "import_runs", ["user_id"])
    op.create_index("ix_import_runs_checked_at", "import_runs", ["checked_at"])


def downgrade() -> None:
    op.drop_table("import_runs")
