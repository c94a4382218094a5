"""Keep mails in a queue until they are sent."""

import sqlalchemy as sa
from alembic import op

revision = "0020"
down_revision = "0019"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "mails",
        sa.Column("id", sa.BigInteger(), sa.Identity(), nullable=False),
        sa.Column("kind", sa.String(20), nullable=False),
        sa.Column("user_id", sa.BigInteger()),
        sa.Column("address", sa.String(254), nullable=False),
        sa.Column("secret", sa.Text()),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("due_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("attempts", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("sent_at", sa.DateTime(timezone=True)),
        sa.Column("failed_at", sa.DateTime(timezone=True)),
        sa.Column("error", sa.String(100)),
        sa.PrimaryKeyConstraint("id", name="pk_mails"),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name="fk_mails_user_id", ondelete="CASCADE"),
    )
    waiting = sa.text("sent_at IS NULL AND failed_at IS NULL")
    op.create_index("ix_mails_waiting", "mails", ["due_at", "id"], postgresql_where=waiting)
    op.create_index("ix_mails_user_id", "mails", ["user_id", "created_at"])
    op.create_index("ix_mails_created_at", "mails", ["created_at"])


def downgrade() -> None:
    op.drop_table("mails")
