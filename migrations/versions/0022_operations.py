"""Keep a list of operations: imports, and changes of several users at once, with the ids of the users as ranges."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import INT8MULTIRANGE

revision = "0022"
down_revision = "0021"
branch_labels = None
depends_on = None


def upgrade() -> None:
    nobody = sa.text("'{}'::int8multirange")
    op.create_table(
        "operations",
        sa.Column("id", sa.BigInteger(), sa.Identity(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("kind", sa.String(20), nullable=False),
        sa.Column("actor_id", sa.BigInteger()),
        sa.Column("actor_username", sa.String(254)),
        sa.Column("file_name", sa.String(100)),
        sa.Column("run_id", sa.Uuid()),
        sa.Column("created", sa.BigInteger(), nullable=False),
        sa.Column("changed", sa.BigInteger(), nullable=False),
        sa.Column("created_ids", INT8MULTIRANGE(), server_default=nobody, nullable=False),
        sa.Column("changed_ids", INT8MULTIRANGE(), server_default=nobody, nullable=False),
        sa.Column("undone_at", sa.DateTime(timezone=True)),
        sa.Column("undone_by_username", sa.String(254)),
        sa.Column("restored", sa.BigInteger()),
        sa.Column("kept", sa.BigInteger()),
        sa.PrimaryKeyConstraint("id", name="pk_operations"),
    )
    op.create_index("ix_operations_run_id", "operations", ["run_id"], postgresql_where=sa.text("run_id IS NOT NULL"))


def downgrade() -> None:
    op.drop_table("operations")
