"""Count failed log-ins in the database, and remember the networks that users have logged in from."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import CIDR

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None


def upgrade() -> None:
    # Not in the write-ahead log: counting has to be quick, and after a crash of the server it may begin anew.
    op.create_table(
        "login_failures",
        sa.Column("key", sa.LargeBinary(32), nullable=False),
        sa.Column("kind", sa.SmallInteger(), nullable=False),
        sa.Column("failures", sa.Integer(), nullable=False),
        sa.Column("lapses_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("key", name="pk_login_failures"),
        prefixes=["UNLOGGED"],
    )
    op.create_index("ix_login_failures_lapses_at", "login_failures", ["lapses_at"])
    op.create_table(
        "login_networks",
        sa.Column("user_id", sa.BigInteger(), nullable=False),
        sa.Column("network", CIDR(), nullable=False),
        sa.Column("seen_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("user_id", "network", name="pk_login_networks"),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name="fk_login_networks_user_id", ondelete="CASCADE"),
    )
    op.create_index("ix_login_networks_seen_at", "login_networks", ["seen_at"])
    # Sessions know where their users have logged in so far. IPv4-mapped addresses were stored as IPv4.
    op.execute("""
        INSERT INTO login_networks (user_id, network, seen_at)
        SELECT user_id, network(set_masklen(address, CASE family(address) WHEN 4 THEN 32 ELSE 64 END)), max(created_at)
        FROM sessions WHERE address IS NOT NULL AND created_at > now() - interval '30 days'
        GROUP BY 1, 2
    """)


def downgrade() -> None:
    op.drop_table("login_networks")
    op.drop_table("login_failures")
