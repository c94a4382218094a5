"""The headings that people give the columns of a table, in the languages of many spreadsheets, and what they mean.

Written as ``sources`` writes its paths. Headings are compared without case, spaces, hyphens and underscores.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final


def _words(text: str) -> tuple[str, ...]:
    return tuple(text.split())


HEADINGS: Final[Mapping[str, tuple[str, ...]]] = {
    "email": _words("""
        email emailaddress mail mailaddress emailaddr useremail primaryemail workemail businessemail contactemail
        emailid emailadresse mailadresse epost epostadresse epostadress adresseemail adressemail courriel
        adresseelectronique correo correoelectronico direcciondecorreo emailadres indirizzoemail posta
        postaelettronica endereçodeemail adresemail adrese-mail sähköposti sähköpostiosoite eposta upn
        userprincipalname email1value 邮箱 メールアドレス メール почта электроннаяпочта
    """),
    "username": _words("""
        username login loginname user userlogin loginid account accountname samaccountname nickname nick benutzername
        benutzer anmeldename kennung loginkennung nutzername identifiant nomdutilisateur nomutilisateur usuario
        nombredeusuario nomeutente utente nomedeusuário nomedousuario gebruikersnaam gebruiker brugernavn användarnamn
        brukernavn nazwaużytkownika uživatelskéjméno käyttäjätunnus felhasználónév kullanıcıadı логин имяпользователя
        用户名 ユーザー名
    """),
    "full_name": _words("""
        fullname displayname realname completename personname anzeigename vollständigername vollername nomcomplet
        nombrecompleto nomecompleto nomecompletto volledigenaam fuldenavn fulltnamn fulltnavn imięinazwisko celéjméno
        kokonimi teljesnév adsoyad полноеимя фио 姓名 氏名 名前 firstname+middlename+lastname firstname+lastname
        givenname+familyname givenname+surname givenname+sn givenname+lastname first+last fname+lname forename+surname
        firstname+surname vorname+nachname vorname+familienname rufname+nachname prénom+nom prenom+nom
        nombre+apellidos nombre+apellido nome+cognome nome+sobrenome nome+apelido voornaam+achternaam
        fornavn+efternavn förnamn+efternamn fornavn+etternavn imię+nazwisko jméno+příjmení etunimi+sukunimi
        keresztnév+vezetéknév ad+soyad имя+фамилия vorname+name name nachname lastname surname vorname firstname
        givenname
    """),
    "password": _words("""
        password passwort kennwort initialpassword initialkennwort motdepasse contraseña clave senha wachtwoord
        adgangskode lösenord passord hasło heslo salasana jelszó şifre пароль pass pwd plainpassword temporarypassword
    """),
    "password_hash": _words("""
        passwordhash hashedpassword passwdhash pwhash hash encryptedpassword passwordencrypted passworddigest
        passwordcrypt cryptedpassword userpassword kennworthash passworthash
    """),
    "is_active": _words("""
        isactive active enabled isenabled accountenabled status userstatus accountstatus state aktiv istaktiv
        aktiviert kontostatus actif statut activo activa estado attivo attiva stato ativo ativa actief aktywny aktivní
        aktivni aktiivinen aktív aktif durum активен статус !blocked !isblocked !disabled !isdisabled !accountdisabled
        !suspended !issuspended !locked !islocked !accountlocked !inactive !isinactive !banned !isbanned !deactivated
        !archived !deleted !isdeleted !blocksignin !blocksignin(yes/no) !signinblocked !gesperrt !deaktiviert !inaktiv
        !désactivé !bloqué !bloqueado !desactivado !inactivo !bloccato !disattivato !inativo !geblokkeerd !zablokowany
        !заблокирован
    """),
    "is_superuser": _words("""
        issuperuser superuser
    """),
    "created_at": _words("""
        createdat created createdon createddate creationdate creationtime creationtimestamp createtime createtimestamp
        datecreated registered registeredat registrationdate signupdate signedup signedupat signupat joined joinedat
        datejoined joindate membersince whencreated usercreatedate createddatetime erstelltam erstellt angelegtam
        angelegt erstellungsdatum registriertam registrierungsdatum crééle créé datedecréation datedecreation
        inscritle dated'inscription dateinscription
        fechadecreacion fechadecreación creado creadoel fechaderegistro datacreazione datadicreazione
        creatoil criadoem datadecriação aangemaaktop aangemaakt oprettet skapad opprettet datautworzenia vytvořeno
        luotu létrehozva oluşturulma дата создан датасоздания 登録日
    """),
}
NOT_USED: Final = frozenset(
    _words("""
        id userid uuid guid externalid objectid pk nr nr. no no. # number rownumber index lfdnr lfd.nr. unnamed:0 updatedat
        updated modified modifiedat lastmodified geändertam lastloginat lastlogin lastsignin lastsignedinat lastseen line reason
    """)
)
"""Columns of a table that every system has and no import uses."""
