"""Who is found by what people type: names in twelve scripts and more, as they are stored and as they are typed."""

from __future__ import annotations

import pytest
from sqlalchemy import text

import databases
from rollcall.infra.database import db
from rollcall.services.search import user_search
from rollcall.services.search.filters import UserFilter

# A stored full name, or username and address; then terms that find it, and terms that do not.
NAMES: list[tuple[str, list[str], list[str]]] = [
    # Latin: accents, case, special letters, ligatures, widths
    ("Siobhán Ní Dhomhnaill", ["siobhan", "SIOBHÁN", "siobha\u0301n", "dhomhnaill siobhan", "ni dhom"], ["siobhon", "sio bhon"]),
    (
        "Félix Müller",
        ["felix muller", "muller felix", "MÜLLER", "mu\u0308ller", "müller, félix", "x mül"],
        ["mueller", "felicia"],
    ),
    ("Anna Straße", ["strasse", "STRASSE", "straße", "STRAẞE", "anna  strasse"], ["strase"]),
    ("Işık Yılmaz", ["isik", "ışık", "IŞIK", "ISIK", "İşik", "yilmaz isik"], ["izik"]),
    ("İbrahim Çelik", ["ibrahim", "İBRAHİM", "IBRAHIM", "ibrahım", "celik"], ["ebrahim"]),
    ("Ｓａｔｏ Ｋｅｎ", ["sato", "ＳＡＴＯ", "ken sato", "ｓａｔｏ"], ["saito"]),
    ("Łukasz Wójcik", ["lukasz", "ŁUKASZ", "wojcik", "wójcik łukasz"], ["lucas"]),
    ("Søren Ærøskøbing", ["soren", "aeroskobing", "ÆRØ", "søren ærøskøbing"], ["soeren"]),
    ("Đorđe Petrović", ["dorde", "ĐORĐE", "petrovic dorde", "petrović"], ["djordje"]),
    ("Þórður Guðmundsson", ["thordur", "gudmundsson", "ÞÓRÐUR", "þor"], ["tordur"]),
    ("Œdipe Lefèvre", ["oedipe", "œdipe", "ŒDIPE", "lefevre"], ["odipe"]),
    ("Nguyễn Thị Hồng", ["nguyen thi hong", "hong nguyen", "NGUYỄN", "thi"], ["nguyan"]),
    ("Oﬃce Manager", ["office", "oﬃce", "OFFICE"], ["ofice"]),
    ("Patrick O’Brien", ["o'brien", "O’BRIEN", "brien patrick", "oʼbrien"], ["obrien"]),
    ("Jean‑Luc Picard", ["jean-luc", "JEAN–LUC", "luc picard"], ["jeanluc"]),
    ("Ŋgũgĩ wa Thiong'o", ["ngugi", "thiong'o", "WA THIONG"], ["ngungi"]),
    ("Ħal Għaxaq", ["hal", "ghaxaq", "ĦAL"], ["chal"]),
    ("Nováková, Pia", ["novak pia", "pia novakova", "Pia Nováková", "novakova,pia"], ["novotna pia"]),
    # Greek
    ("Αλέξανδρος Παπαδόπουλος", ["αλεξανδρος", "ΑΛΕΞΑΝΔΡΟΣ", "παπαδοπουλοσ", "Παπαδόπουλος αλέξανδρος"], ["alexandros"]),
    ("Ωραία Ἀθηνᾶ", ["ωραια", "αθηνα", "ΑΘΗΝΑ", "Ἀθηνᾶ"], ["αθινα"]),
    # Cyrillic
    ("Фёдор Достоевский", ["федор", "ФЁДОР", "достоевский федор", "ДОСТОЕВСК"], ["теодор"]),
    ("Їжак Ґонта Єва", ["їжак", "ґонта", "ЄВА", "ҐОНТА"], ["ёжик"]),
    ("Ђорђе Љубичић", ["ђорђе", "ЂОРЂЕ", "љубичић", "ЉУБИЧИЋ"], ["dorde"]),
    ("Қайрат Әбілов", ["қайрат", "ҚАЙРАТ", "әбілов", "ӘБІЛ"], ["кайрат"]),
    # Armenian, Georgian
    ("Արամ Խաչատրյան", ["արամ", "ԱՐԱՄ", "խաչատրյան արամ", "ԽԱՉԱՏ"], ["aram"]),
    ("ნინო ბერიძე", ["ნინო", "ბერიძე ნინო", "ᲜᲘᲜᲝ"], ["nino"]),
    # Hebrew, Arabic: points, alef, ya, kaf
    ("שָׁלוֹם כהן", ["שלום", "כהן שלום", "שָׁלוֹם"], ["shalom"]),
    ("محمّد الأحمد", ["محمد", "الاحمد", "أحمد", "محمـــد"], ["muhammad"]),
    ("فاطمة علي", ["فاطمه", "فاطمة", "علی", "علي فاطمة"], ["fatima"]),
    # Indic, Thai
    ("अर्जुन कुमार", ["अर्जुन", "कुमार", "कुमार अर्जुन", "जुन"], ["arjun"]),
    ("প্রিয়া দাস", ["প্রিয়া", "দাস"], ["priya"]),
    ("สมชาย ใจดี", ["สมชาย", "ใจดี", "ชาย"], ["somchai"]),
    # Han, kana, Hangul
    ("李小龙", ["李", "小龙", "李小龙", "小"], ["li xiaolong", "大"]),
    ("山田 たろう", ["山田", "たろう", "山", "たろう　山田"], ["yamada"]),
    ("ガブリエル", ["ガブ", "ｶﾞﾌﾞﾘｴﾙ", "リエ"], ["カフ"]),
    ("김민준", ["김", "김민준", "\u1100\u1175\u11b7", "민준"], ["kim", "기"]),
    # No letters
    ("100% _\\", ["100%", "%", "_", "\\", "０％", "100% _"], ["100_", "%0", "\\%"]),
    ("Team 🙂 Blue", ["🙂", "blue team", "team 🙂"], ["🙃"]),
]


@pytest.fixture(scope="module")
def ids(settings, clock):
    """The ids of users with these names, in a database of their own."""
    with databases.filled(settings, clock, text("SELECT 1")) as app, app.app_context(), db.session() as session:
        insert = text("INSERT INTO users (username, email, full_name) VALUES (:name, :email, :full_name) RETURNING id")
        people = [
            {"name": f"u{number}", "email": f"u{number}@z.test", "full_name": name} for number, (name, *_) in enumerate(NAMES)
        ]
        people += [
            {"name": "anke.kolar", "email": "anke@acme.example", "full_name": None},
            {"name": "info", "email": "info@bücher.example", "full_name": None},
        ]
        found = {person["full_name"] or person["name"]: session.scalar(insert, person) for person in people}
        session.commit()
        yield found


def is_found(term: str, user_id: int) -> bool:
    with db.session() as session:
        return user_id in [user.id for user in user_search.numbered_page(session, UserFilter(search=term), 1, 100).items]


PAIRS = [(name, term, True) for name, terms, _ in NAMES for term in terms]
PAIRS += [(name, term, False) for name, _, terms in NAMES for term in terms]
PAIRS += [
    ("anke.kolar", "Anke Kolar <anke@acme.example>", True),
    ("anke.kolar", "<anke@acme.example>", True),
    ("anke.kolar", '"Kolar, Anke" <ANKE@Acme.Example>;', True),
    ("anke.kolar", "Anke Kolar <anka@acme.example>", False),
    ("anke.kolar", "anke@acme.example", True),
    ("anke.kolar", "  anke@acme.example\t", True),
    ("anke.kolar", "kolar acme", True),
    ("anke.kolar", "e.k", True),
    ("anke.kolar", "k", True),
    ("anke.kolar", "ke", True),
    ("info", "info@xn--bcher-kva.example", True),
    ("info", "info@BÜCHER.example", True),
    ("info", "bucher.example", True),
]


def test_there_are_enough_pairs():
    assert len(PAIRS) >= 150


@pytest.mark.parametrize(("name", "term", "found"), PAIRS)
def test_a_name_is_found_as_people_type_it(ids, name, term, found):
    assert is_found(term, ids[name]) is found


def test_an_id_finds_its_user(ids):
    for user_id in ids.values():
        assert is_found(f" {user_id} ", user_id)
    assert not is_found("9" * 18, 1)
    assert not is_found("9" * 100, 1)


def test_folding_twice_changes_nothing(ids):
    with db.session() as session:
        texts = session.scalars(text("SELECT search_text FROM users")).all()
        assert all(session.scalar(text("SELECT user_search_fold(:text)"), {"text": one}) == one for one in texts)


def test_a_term_of_marks_alone_finds_nobody(ids):
    with db.session() as session:
        page = user_search.numbered_page(session, UserFilter(search="\u0301\u200b"), 1, 10)
    assert (list(page.items), page.total.count) == ([], 0)
