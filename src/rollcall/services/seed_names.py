"""Names of many countries, for synthetic users: as they are written there, and how an account name spells them.

A word is what is shown; after ``=`` stands its spelling in ASCII where dropping the accents does not give it.
"""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass
from typing import Final

# Letters that Unicode does not take apart into a base letter and an accent.
_LETTERS: Final = str.maketrans(
    {"ß": "ss", "æ": "ae", "ø": "o", "đ": "d", "ł": "l", "ı": "i", "þ": "th", "ð": "d", "ə": "a", "'": "", "-": "", " ": ""}
)


@dataclass(frozen=True, slots=True)
class Name:
    """One given or family name."""

    shown: str
    ascii: str


@dataclass(frozen=True, slots=True)
class Culture:
    """Given and family names that go together.

    :ivar pattern: how a full name is put together of ``{given}`` and ``{family}``.
    """

    given: tuple[Name, ...]
    family: tuple[Name, ...]
    pattern: str


def _names(words: str) -> tuple[Name, ...]:
    names = []
    for word in words.split():
        shown, _, spelling = word.replace("_", " ").partition("=")
        plain = spelling or unicodedata.normalize("NFKD", shown.lower().translate(_LETTERS))
        names.append(Name(shown, "".join(letter for letter in plain if "a" <= letter <= "z")))
    return tuple(names)


def _culture(given: str, family: str, pattern: str = "{given} {family}") -> Culture:
    return Culture(_names(given), _names(family), pattern)


CULTURES: Final[tuple[Culture, ...]] = (
    # English
    _culture(
        "Olivia Amelia Isla Ava Grace Freya Ruby Alice Charlotte Emily Hannah Zoe Megan Oliver George Noah Arthur Harry "
        "Leo Jack Oscar Henry Thomas William Ethan Samuel Callum Rhys",
        "Smith Jones Taylor Brown Williams Wilson Johnson Davies Patel Robinson Wright Thompson Evans Walker White Green "
        "Hall Wood Clarke Hughes O'Brien Murphy Campbell MacDonald Edwards Turner",
    ),
    # Spanish
    _culture(
        "Lucía Sofía Martina María Paula Valeria Carmen Inés Ximena Camila Valentina Renata Hugo Mateo Martín Lucas Pablo "
        "Álvaro Adrián Santiago Sebastián Diego Joaquín Íñigo Emiliano Tomás",
        "García Rodríguez González Fernández López Martínez Sánchez Pérez Gómez Martín Jiménez Ruiz Hernández Díaz Muñoz "
        "Álvarez Romero Gutiérrez Núñez Ibáñez Quispe Mamani Rojas Castillo Ortega Vargas",
    ),
    # Portuguese
    _culture(
        "Maria Helena Alice Laura Beatriz Júlia Heloísa Inês Leonor Mariana Antônia Conceição Miguel Arthur João Gabriel "
        "Davi Pedro Rafael Tiago Gonçalo Caetano Thiago Vinícius Luís Otávio",
        "Silva Santos Oliveira Souza Rodrigues Ferreira Alves Pereira Lima Gomes Costa Ribeiro Martins Carvalho Almeida "
        "Araújo Conceição Magalhães Simões Guimarães Brandão Falcão Nascimento Rocha Teixeira",
    ),
    # French
    _culture(
        "Louise Jade Emma Chloé Léa Manon Inès Zoé Éloïse Maëlys Anaïs Camille Hélène Gabriel Raphaël Léo Louis Hugo "
        "Théo Clément Baptiste Maël Noé Gaël François Étienne",
        "Martin Bernard Thomas Petit Robert Richard Durand Dubois Moreau Laurent Simon Michel Lefèvre Leroy Roux Fournier "
        "Girard Bonnet Mercier Lefebvre Béranger Guérin Noël Chevalier Gauthier Tremblay",
    ),
    # German
    _culture(
        "Emma Mia Hannah Emilia Lina Marie Lea Clara Johanna Frieda Käthe Jördis Ben Paul Jonas Elias Felix Lukas "
        "Maximilian Moritz Anton Jürgen=juergen Björn=bjoern Günther=guenther Jörg=joerg Matthias",
        "Müller=mueller Schmidt Schneider Fischer Weber Meyer Wagner Becker Schulz Hoffmann Schäfer=schaefer Koch Bauer "
        "Richter Klein Wolf Schröder=schroeder Neumann Schwarz Krüger=krueger Groß Weiß Jäger=jaeger Vogel Yılmaz",
    ),
    # Italian
    _culture(
        "Sofia Giulia Aurora Ginevra Alice Beatrice Chiara Francesca Elena Martina Noemi Leonardo Francesco Tommaso Edoardo "
        "Alessandro Lorenzo Mattia Gabriele Riccardo Niccolò Giosuè",
        "Rossi Russo Ferrari Esposito Bianchi Romano Colombo Ricci Marino Greco Bruno Gallo Conti De_Luca Mancini Costa "
        "Giordano Rizzo Lombardi Moretti D'Angelo Nicolò Cantù",
    ),
    # Dutch
    _culture(
        "Emma Julia Mila Sophie Tess Zoë Sanne Fleur Lotte Noor Anouk Daan Sem Lucas Levi Finn Bram Thijs Jesse Ruben "
        "Sjoerd Loïs Chloë",
        "de_Jong Jansen de_Vries van_den_Berg van_Dijk Bakker Janssen Visser Smit Meijer de_Boer Mulder de_Groot Bos Vos "
        "Peters Hendriks van_Leeuwen Dekker Brouwer Daniëls",
    ),
    # Nordic
    _culture(
        "Astrid Freja Elsa Ella Maja Saga Ingrid Sigrid Solveig Åsa Linnéa Aino Helmi Þórdís Noah Oskar Emil Magnus Lars "
        "Bjørn Søren Jørgen Håkon Eino Väinö Björk Sigurður",
        "Hansen Johansen Olsen Larsen Andersson Johansson Karlsson Nilsson Lindström Åkesson Sjöberg Jensen Nielsen Møller "
        "Sørensen Ødegård Korhonen Virtanen Mäkinen Hämäläinen Jónsson Guðmundsdóttir",
    ),
    # Polish, Czech, Hungarian, Romanian
    _culture(
        "Zofia Zuzanna Małgorzata Agnieszka Łucja Božena Tereza Eliška Réka Zsófia Ioana Ștefania Antoni Jakub Łukasz "
        "Paweł Michał Jiří Ondřej Tomáš Bence Gergő László Andrei Ștefan Răzvan",
        "Nowak Kowalski Wiśniewski Wójcik Kamiński Lewandowski Zieliński Dąbrowski Novák Svoboda Dvořák Černý Procházka "
        "Nagy Kovács Szabó Horváth Tóth Popescu Ionescu Munteanu Țurcanu",
    ),
    # Turkish and Azerbaijani
    _culture(
        "Zeynep Elif Defne Ayşe Fatma Çiğdem Gülşen İrem Şule Nigar Leyla Yusuf Eymen Ömer Mustafa Ahmet Mehmet Çağrı "
        "Oğuz Tuğrul Barış Elçin Rəşad",
        "Yılmaz Kaya Demir Şahin Çelik Yıldız Yıldırım Öztürk Aydın Özdemir Arslan Doğan Kılıç Aslan Çetin Kara Koç Kurt "
        "Özkan Şimşek Əliyev Məmmədov",
    ),
    # Russian and Ukrainian
    _culture(
        "Анна=anna Мария=maria София=sofia Дарья=darya Екатерина=ekaterina Ольга=olga Наталья=natalya Оксана=oksana "
        "Александр=aleksandr Дмитрий=dmitry Иван=ivan Михаил=mikhail Артём=artyom Сергей=sergey Андрій=andriy Тарас=taras",
        "Шевченко=shevchenko Коваленко=kovalenko Бондаренко=bondarenko Ткаченко=tkachenko Кравченко=kravchenko "
        "Мельник=melnyk Лисенко=lysenko Савченко=savchenko Петренко=petrenko Мороз=moroz Гончар=honchar Черных=chernykh",
    ),
    # Greek
    _culture(
        "Μαρία=maria Ελένη=eleni Κατερίνα=katerina Σοφία=sofia Αγγελική=angeliki Γιώργος=giorgos Δημήτρης=dimitris "
        "Νίκος=nikos Κώστας=kostas Γιάννης=giannis Θανάσης=thanasis",
        "Παπαδάκη=papadaki Γεωργίου=georgiou Δημητρίου=dimitriou Ιωάννου=ioannou Νικολάου=nikolaou Βασιλείου=vasileiou "
        "Παπαδοπούλου=papadopoulou Αντωνίου=antoniou Οικονόμου=oikonomou",
    ),
    # Arabic
    _culture(
        "محمد=mohammed أحمد=ahmed علي=ali عمر=omar يوسف=youssef خالد=khalid حسن=hassan فاطمة=fatima مريم=maryam عائشة=aisha "
        "نور=nour ليلى=layla سارة=sara زينب=zainab",
        "العلي=alali حداد=haddad خوري=khoury المصري=almasri منصور=mansour ناصر=nasser صالح=saleh إبراهيم=ibrahim "
        "الشريف=alsharif بن_سالم=bensalem قاسم=qasim",
    ),
    # Hebrew
    _culture(
        "נועה=noa תמר=tamar מאיה=maya יעל=yael שירה=shira דוד=david יוסף=yosef אורי=uri איתן=eitan נועם=noam",
        "כהן=cohen לוי=levi מזרחי=mizrahi פרץ=peretz ביטון=biton אברהם=avraham פרידמן=friedman שפירא=shapira",
    ),
    # Persian
    _culture(
        "زهرا=zahra نرگس=narges شیرین=shirin پریسا=parisa مهسا=mahsa رضا=reza امیر=amir حسین=hossein کیان=kian آرش=arash",
        "احمدی=ahmadi محمدی=mohammadi حسینی=hosseini کریمی=karimi رضایی=rezaei مرادی=moradi جعفری=jafari نوری=nouri",
    ),
    # Hindi, Bengali, Tamil
    _culture(
        "आरव=aarav विवान=vivaan अर्जुन=arjun राहुल=rahul अनन्या=ananya दीया=diya प्रिया=priya नेहा=neha पूजा=pooja রহিম=rahim "
        "তানিয়া=tania কবির=kabir முருகன்=murugan கவிதா=kavitha",
        "शर्मा=sharma वर्मा=verma गुप्ता=gupta सिंह=singh कुमार=kumar यादव=yadav जोशी=joshi मेहता=mehta রহমান=rahman "
        "দাস=das சுப்பிரமணியன்=subramanian",
    ),
    # Chinese: the family name comes first, without a space.
    _culture(
        "伟=wei 芳=fang 娜=na 秀英=xiuying 敏=min 静=jing 丽=li 强=qiang 磊=lei 洋=yang 艳=yan 勇=yong 杰=jie 子涵=zihan "
        "欣怡=xinyi 浩然=haoran 梓萱=zixuan 宇轩=yuxuan 志明=zhiming 淑芬=shufen",
        "王=wang 李=li 张=zhang 刘=liu 陈=chen 杨=yang 赵=zhao 黄=huang 周=zhou 吴=wu 徐=xu 孙=sun 胡=hu 朱=zhu 高=gao "
        "林=lin 何=he 郭=guo 馬=ma 歐陽=ouyang",
        "{family}{given}",
    ),
    # Japanese
    _culture(
        "陽菜=hina 凛=rin 結衣=yui 美咲=misaki さくら=sakura 葵=aoi 花子=hanako 蓮=ren 悠真=yuma 湊=minato 大翔=hiroto "
        "健太=kenta 翔太=shota 太郎=taro",
        "佐藤=sato 鈴木=suzuki 高橋=takahashi 田中=tanaka 伊藤=ito 渡辺=watanabe 山本=yamamoto 中村=nakamura 小林=kobayashi "
        "加藤=kato 吉田=yoshida 山田=yamada 佐々木=sasaki 松本=matsumoto",
        "{family} {given}",
    ),
    # Korean
    _culture(
        "서연=seoyeon 지우=jiwoo 하윤=hayoon 민서=minseo 수아=sua 은지=eunji 민준=minjun 서준=seojun 도윤=doyoon 예준=yejun "
        "시우=siwoo 지훈=jihoon",
        "김=kim 이=lee 박=park 최=choi 정=jung 강=kang 조=cho 윤=yoon 장=jang 임=lim 한=han 오=oh",
        "{family}{given}",
    ),
    # Vietnamese
    _culture(
        "Anh Linh Hương Trang Thảo Mai Phương Ngọc Hằng Minh Hùng Dũng Tuấn Đức Quang Long Hiếu Khôi",
        "Nguyễn Trần Lê Phạm Hoàng Huỳnh Phan Vũ Võ Đặng Bùi Đỗ Hồ Ngô Dương Lý",
        "{family} {given}",
    ),
    # Thai
    _culture(
        "สมชาย=somchai สมหญิง=somying กมล=kamon อนันต์=anan มาลี=malee ปรีชา=preecha วิชัย=wichai สุดา=suda นภา=napha",
        "สุขใจ=sukjai ทองดี=thongdee ศรีสุข=srisuk วงศ์ไทย=wongthai แก้วมณี=kaewmanee จันทร์เพ็ญ=janpen บุญมา=boonma",
    ),
    # Indonesian and Malay
    _culture(
        "Siti Dewi Sri Putri Ayu Nurul Wati Aisyah Budi Agus Eko Dwi Adi Rizky Muhammad Hafiz Farid Aminah",
        "Santoso Wijaya Saputra Hidayat Setiawan Lestari Pratama Kusuma Nugroho Susanto Rahman Abdullah Ismail Hasan",
    ),
    # West and East Africa
    _culture(
        "Amara Chiamaka Ngozi Adaeze Folasade Yewande Akosua Abena Wanjiru Achieng Amina Chinedu Emeka Olumide Babajide "
        "Kwame Kofi Kamau Otieno Juma Oluwaseun Ṣadé",
        "Okafor Adeyemi Okonkwo Balogun Eze Mensah Owusu Boateng Asante Kamau Mwangi Odhiambo Wanjala Mutua Abubakar "
        "Diallo Traoré N'Diaye Koné Bâ",
    ),
    # Amharic and Georgian, Armenian
    _culture(
        "ሰላም=selam ሃና=hana ዳዊት=dawit ዮናስ=yonas ნინო=nino მარიამ=mariam გიორგი=giorgi დავით=davit Անի=ani Արամ=aram",
        "ተስፋዬ=tesfaye በቀለ=bekele ካሳ=kassa ბერიძე=beridze კაპანაძე=kapanadze Պետրոսյան=petrosyan Սարգսյան=sargsyan",
    ),
    # Hawaiian and Māori
    _culture(
        "Aroha Mere Anahera Kiri Leilani Mahina Tāne Wiremu Hēmi Rāwiri Keoni Kaimana",
        "Ngata Tāmihana Parata Kīngi Rangihuna Kealoha Kahananui Kamaka Tūhoe Pōtae",
    ),
)
