"""The systems that users are imported from: how each is recognised, and what its fields mean. One table, no code.

A path is a column, or a key with keys inside it (``profile.login``, ``emails.0.value``). Columns are compared without case,
spaces, hyphens and underscores (``headings.key``). A field has alternatives, of which the first with a value counts; for
``is_active`` all count, and each of them can make a user inactive. An alternative is a path, or

``a+b``         the values of several paths, joined with a space
``!a``          the opposite
``until:a``     inactive until that time; ``set:a`` inactive if there is any value
``utc:a``       a time that this system writes in UTC without saying so
``hash:a``      a text that is a hash; ``plain:a`` one that is none; ``address:a`` one with an @
``ad:a``        Active Directory's number of flags
``NAME:a``      a hash that ``source_hashes`` puts together

A new source is one entry here, and one row in ``docs/IMPORT.md``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

Alternatives = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Source:
    """How one system names its fields.

    :ivar label: its name for people.
    :ivar signature: groups of paths; a file with all paths of one group is from this system.
    :ivar fields: what our fields are there.
    :ivar only: keys of which a record has to have a value, or it is no user and is skipped; any of them.
    :ivar closed: whether every other column is this system's own, and ignored.
    """

    name: str
    label: str
    signature: tuple[Alternatives, ...]
    fields: Mapping[str, Alternatives]
    only: Alternatives = ()
    closed: bool = True


SOURCES: Final[tuple[Source, ...]] = (
    Source(
        "auth0",
        "Auth0",
        (
            ("user_id", "identities"),
            ("custom_password_hash", "email"),
            ("user_id", "email_verified", "password_hash"),
            ("user_id", "email", "nickname"),
            ("passwordHash", "tenant", "connection"),
        ),
        {
            "email": ("email",),
            "username": ("username",),
            "full_name": ("name", "given_name+family_name"),
            "is_active": ("!blocked",),
            "created_at": ("created_at",),
            "password_hash": ("password_hash", "passwordHash", "auth0:custom_password_hash"),
        },
    ),
    Source(
        "okta",
        "Okta",
        (("profile.login", "profile.email"), ("login", "firstName", "lastName", "status"), ("login", "firstName", "email")),
        {
            "email": ("profile.email", "email"),
            "username": ("profile.login", "login"),
            "full_name": (
                "profile.displayName",
                "displayName",
                "profile.firstName+profile.lastName",
                "firstName+middleName+lastName",
            ),
            "is_active": ("status",),
            "created_at": ("created", "createdAt"),
            "password_hash": ("okta:credentials.password.hash",),
        },
    ),
    Source(
        "google",
        "Google Workspace",
        (("emailaddress", "orgunitpath"), ("primaryEmail", "name.fullName"), ("primaryEmail", "suspended")),
        {
            "email": ("emailaddress", "primaryEmail"),
            "full_name": ("firstname+lastname", "name.fullName", "name.givenName+name.familyName"),
            "password": ("password",),
            "is_active": ("status", "!suspended", "!archived"),
            "created_at": ("creationTime",),
        },
    ),
    Source(
        "entra",
        "Microsoft Entra ID",
        (
            ("userPrincipalName", "passwordProfile"),
            ("userPrincipalName", "accountEnabled"),
            ("userPrincipalName", "displayName", "userType"),
        ),
        {
            "email": ("mail", "userPrincipalName"),
            "full_name": ("displayName", "givenName+surname"),
            "password": ("[passwordProfile]", "passwordProfile.password"),
            "is_active": ("!blocksignin(yes/no)", "!blocksignin", "![accountEnabled]", "accountEnabled"),
            "created_at": ("createdDateTime",),
        },
    ),
    Source(
        "firebase",
        "Firebase",
        (("localId", "email"), ("localId", "passwordHash"), ("localId", "createdAt")),
        {
            "email": ("email",),
            "full_name": ("displayName",),
            "is_active": ("!disabled", "!reserved"),
            "created_at": ("createdAt",),
            "password_hash": ("firebase:passwordHash+salt",),
        },
    ),
    Source(
        "cognito",
        "Amazon Cognito",
        (("cognito:username", "email"), ("Username", "UserStatus", "Attributes"), ("UserStatus", "UserCreateDate")),
        {
            "email": ("email", "Attributes.email", "UserAttributes.email"),
            "username": ("preferred_username", "cognito:username", "username"),
            "full_name": ("name", "given_name+family_name", "Attributes.name", "UserAttributes.name"),
            "is_active": ("enabled",),
            "created_at": ("UserCreateDate",),
        },
    ),
    Source(
        "keycloak",
        "Keycloak",
        (("username", "createdTimestamp"), ("username", "credentials", "emailVerified"), ("username", "realmRoles")),
        {
            "email": ("email",),
            "username": ("username",),
            "full_name": ("firstName+lastName",),
            "is_active": ("enabled",),
            "created_at": ("createdTimestamp",),
            "password_hash": ("keycloak:credentials",),
        },
    ),
    Source(
        "kratos",
        "Ory Kratos",
        (("traits", "schema_id"), ("traits.email", "state"), ("traits", "credentials")),
        {
            "email": ("traits.email", "traits.emails.0"),
            "username": ("traits.username",),
            "full_name": ("traits.name.first+traits.name.last", "traits.name", "traits.first_name+traits.last_name"),
            "is_active": ("state",),
            "created_at": ("created_at",),
            "password_hash": ("credentials.password.config.hashed_password",),
        },
    ),
    Source(
        "supabase",
        "Supabase",
        (("encrypted_password", "raw_user_meta_data"), ("instance_id", "aud"), ("raw_app_meta_data", "email")),
        {
            "email": ("email",),
            "full_name": ("raw_user_meta_data.full_name", "raw_user_meta_data.name", "raw_user_meta_data.display_name"),
            "is_active": ("until:banned_until", "set:deleted_at"),
            "created_at": ("created_at",),
            "password_hash": ("encrypted_password",),
        },
    ),
    Source(
        "django",
        "Django",
        (("model", "fields.password"), ("model", "pk", "fields"), ("date_joined", "is_staff"), ("date_joined", "password")),
        {
            "email": ("fields.email", "email"),
            "username": ("fields.username", "username"),
            "full_name": ("fields.first_name+fields.last_name", "first_name+last_name", "fields.name", "name"),
            "is_active": ("fields.is_active", "is_active"),
            "is_superuser": ("fields.is_superuser", "is_superuser"),
            "created_at": ("fields.date_joined", "date_joined"),
            "password_hash": ("fields.password", "password"),
        },
        only=("fields.password", "password", "username"),
    ),
    Source(
        "wordpress",
        "WordPress",
        (("user_login", "user_email"),),
        {
            "email": ("user_email",),
            "username": ("user_login",),
            "full_name": ("display_name", "first_name+last_name"),
            "created_at": ("utc:user_registered",),
            "password_hash": ("user_pass",),
        },
    ),
    Source(
        "devise",
        "Devise (Ruby on Rails)",
        (("encrypted_password", "email"),),
        {
            "email": ("email",),
            "username": ("username", "login"),
            "full_name": ("full_name", "name", "first_name+last_name"),
            "is_active": ("active", "!disabled", "set:deleted_at", "set:discarded_at"),
            "created_at": ("created_at",),
            "password_hash": ("encrypted_password",),
        },
    ),
    Source(
        "laravel",
        "Laravel",
        (("remember_token", "password"), ("email_verified_at", "password"), ("email_verified_at", "name", "updated_at")),
        {
            "email": ("email",),
            "username": ("username",),
            "full_name": ("name", "full_name", "first_name+last_name"),
            "is_active": ("is_active", "active", "set:deleted_at"),
            "created_at": ("created_at",),
            "password_hash": ("password",),
        },
    ),
    Source(
        "discourse",
        "Discourse",
        (("username", "trust_level"), ("username", "silenced_till"), ("username", "last_posted_at")),
        {
            "email": ("email", "emails.0"),
            "username": ("username",),
            "full_name": ("name",),
            "is_active": ("active", "until:suspended_till"),
            "created_at": ("utc:created_at",),
            "password_hash": ("discourse:password_hash+salt",),
        },
    ),
    Source(
        "aspnet",
        "ASP.NET Identity",
        (("NormalizedUserName", "PasswordHash"), ("SecurityStamp", "UserName"), ("NormalizedEmail", "UserName")),
        {
            "email": ("Email",),
            "username": ("UserName",),
            "full_name": ("FullName", "DisplayName", "Name", "FirstName+LastName"),
            "is_active": ("IsActive", "until:LockoutEnd", "until:LockoutEndDateUtc"),
            "created_at": ("CreatedAt",),
            "password_hash": ("aspnet:PasswordHash",),
        },
    ),
    Source(
        "nextcloud",
        "Nextcloud",
        (("uid", "uid_lower"), ("user_id", "display_name", "last_seen"), ("uid", "displayname", "password")),
        {
            "email": ("email", "configvalue"),
            "username": ("uid", "user_id"),
            "full_name": ("displayname", "display_name"),
            "is_active": ("enabled",),
            "password_hash": ("password",),
        },
    ),
    Source(
        "pocketbase",
        "PocketBase",
        (("tokenKey", "email"), ("collectionName", "emailVisibility"), ("collectionId", "email")),
        {
            "email": ("email",),
            "username": ("username",),
            "full_name": ("name",),
            "created_at": ("created",),
            "password_hash": ("passwordHash", "password"),
        },
    ),
    Source(
        "ldif",
        "LDAP (LDIF)",
        (("dn", "objectclass"), ("dn", "mail"), ("dn", "uid")),
        {
            "email": ("mail", "userPrincipalName"),
            "username": ("uid", "sAMAccountName"),
            "full_name": ("displayName", "cn", "givenName+sn"),
            "is_active": ("!nsAccountLock", "set:pwdAccountLockedTime", "ad:userAccountControl"),
            "created_at": ("createTimestamp", "whenCreated"),
            "password": ("plain:userPassword",),
            "password_hash": ("hash:userPassword",),
        },
        only=("mail", "uid", "sAMAccountName", "userPassword"),
    ),
    Source(
        "htpasswd",
        "htpasswd",
        (),
        {"email": ("address:user",), "username": ("user",), "password_hash": ("hash",)},
    ),
)
