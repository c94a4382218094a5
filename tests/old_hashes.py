"""Hashes made by other systems: password and hash by the name of the format.

The three people's were made with the formats' own libraries. The others are vectors that the formats' authors published.
"""

MARA, TOMAS, YUKI = "lantern-river-19", "quiet-Orchard_42", "paper+boats 7 é"

OLD = {
    "passlib bcrypt_sha256 v2": (MARA, "$bcrypt-sha256$v=2,t=2b,r=5$ixrkhd5GDwJzT9HtnjR9Be$spdan6qpef3siFc1Gvsf4cvhWJuC0Ny"),
    "passlib bcrypt_sha256 v1": (TOMAS, "$bcrypt-sha256$2b,5$5sd6eJUsRaGKR0gYeFklYu$LMDX719KLs89XB3FbEVGm5mDEi0Hj7O"),
    "passlib bcrypt 2b": (YUKI, "$2b$05$6WL1SoTieYtoXKht0SiQ2ueAIOn94Tg78F/CXOWV0Vxwzl/jItALW"),
    "sha512_crypt": (
        YUKI,
        "$6$1so2sNe7j7Ae72py$jk2AP/4URJz1lItAt3rocNcdpNyLjvUprerRyczpfZnV5RiSPOMH4tmVvgcIUQOQgzaXDYdc/m3oMp25qpYxl.",
    ),
    "sha512_crypt rounds": (
        MARA,
        "$6$rounds=1234$9CpPyTnvL4AT8MoG$lGIaI5ll/T3kV0a7A/6ivvg/lDBQifTyLTSFow2M8BnYOZF2gNVbaTPiQnJU7oLQsNOFHDL8P3kXvQxqNV5NU0",
    ),
    "sha256_crypt": (TOMAS, "$5$wKyyxUOsSIRAbqOr$98Zb9es0HZaUXSIUTMUcDyCYCWSlQgIEtdpTFeZ5oE8"),
    "sha256_crypt rounds": (YUKI, "$5$rounds=10017$MB30taWaJpkq2dQg$MRtumwsfPVQXsMK0HQ5HH5pnTrkwtYTyyKTq/kAL4Z9"),
    "apr1": (MARA, "$apr1$m5Gr970e$wvt5NIG38bb1bgt7Pm6N20"),
    "apr1 in UTF-8": (YUKI, "$apr1$u3jZeZ11$jGYozKj/4NDA0V.R9wnYI1"),
    "md5_crypt": (TOMAS, "$1$VuzRuHKt$aWdPfXGz7yojh/DiLBj.7."),
    "phpass P": (YUKI, "$P$6kRfqhw12Q58myynkb9Dpti5lFgFwn/"),
    "phpass H": (MARA, "$H$BX4NayjVXKWVFoFy3Fw9agPwg4SO7t/"),
    "ssha": (YUKI, "{SSHA}dh4TF8tIR82JyK3kEtcNtCZ92yCes1aq"),
    "ssha256": (MARA, "{SSHA256}jvKkd8cSBdPpMXP9bn73yuljaGbpJTuu7VljrjP58XkgpBTinDNGyA=="),
    "ssha512": (
        TOMAS,
        "{SSHA512}eHbuPDhmNjJF+fvvZkkrlv0qQUpOy9tqZ+UTIc1sSPuBDAAGE21SdAEkFewAlCA94gNyq/ur9T0oWlurdFx7WzHmnPOeU6rV",
    ),
    "smd5": (TOMAS, "{SMD5}sUWKWPFwkGJR/98INZuU2UsJofQ="),
    "crypt sha512": (
        MARA,
        "{CRYPT}$6$qiddDrJnvp5CfwVV$LtOHBADptMNp.p3LH69wb9jO50o6vp4GBN6Y07gxhda0oia1gOQ3t3ayuQguTkglV5MBufEfhD/wK4H0jvipI1",
    ),
    "crypt bcrypt": (YUKI, "{CRYPT}$2b$05$uzFtn5LB4L2r6y53sTXrJedN39rGqnSsROgbFCrk8Mg0VEqTxgfiK"),
    "crypt md5": (YUKI, "{CRYPT}$1$0rd8hTjN$4z2yD1ovuSaWwsi/Pd4DQ."),
    "pbkdf2 sha1": (MARA, "$pbkdf2$20000$nxOilLIWIoRQCkGoFSJkrA$Bz7FLNOca8eyJn3w9txnGx7JkRM"),
    "pbkdf2 sha256": (TOMAS, "$pbkdf2-sha256$2000$SylFCMEY41wL4byXUsoZYw$A0ksCOA79C1lc75cK/CkcK8sZp8g1JCgu1d29N.QM6Y"),
    "pbkdf2 sha512": (
        YUKI,
        "$pbkdf2-sha512$2000$QQgBIESo9V7rnbO2di6lFA$xTtVX/VlojhedPBKdCeh1lWIQ88rX4GUsTZtlfxSNXJj.cIb2JUoV5fWGYynd23mKmFhY1cmtJVmYNaaruI/4Q",
    ),
    "ldap pbkdf2": (YUKI, "{PBKDF2-SHA256}2000$9b43xjgHgJDynvM.x/ifUw$maDk4UAZp//aBjdsbmFJmJt5gYEX/9dpPqgNjEkiC34"),
    "ldap pbkdf2 sha1": (YUKI, "{PBKDF2}2000$GKP0Pue8d04pZYyxtjaGcA$0YAz.vYcj2Frthi3KCmih0Vf6kg"),
    "passlib scrypt": (MARA, "$scrypt$ln=10,r=8,p=1$GWMsZaz1npNSylkrJYSQ0g$qAGz/RxJhZlnR1G4bUhgWQXeUw4bdUYn3C4DIKpC1pg"),
    "passlib argon2": (TOMAS, "$argon2id$v=19$m=1024,t=2,p=4$/b8XYuydU8p5772XEmLMGQ$kZgxUVfNnuXjcO5odYbGbmo8TxKHZq+gFz0LRpjdXm8"),
    "django pbkdf2_sha256": (MARA, "pbkdf2_sha256$2000$Al28ZxsHHAOSa4yaiTqANq$o6ZSa/H8kISAqAGeAcqjvKHhDLevdOOL6I3xLDlgbBc="),
    "django pbkdf2_sha1": (YUKI, "pbkdf2_sha1$2000$e513kUqiz1XgYY8Gb9FTaM$D63FzcG7KgnlUNox+oxfq4+70tw="),
    "django argon2": (
        TOMAS,
        "argon2$argon2id$v=19$m=102400,t=2,p=8$NlI4MFcwTllDMUk5ejVPcXF3SmlhNw$6ioP+QZ/QxnSV8bo9OAqfDR8w+IQGOduJ5Sbn2ECvUE",
    ),
    "django bcrypt_sha256": (YUKI, "bcrypt_sha256$$2b$05$b5JjNW7.Jh3r3ruKpr1C8eRnkyPU9n.KL9u3NXJ4yzn4kuD0qfsTm"),
    "django bcrypt": (MARA, "bcrypt$$2b$05$QTj0XGvbytes5jkO3grTm.s1nHW6LRFt3s69PeOPo1/8CuAaF6g8K"),
    "django scrypt": (
        YUKI,
        "scrypt$16384$F2Gdv3KgoL9deFG2Xbj2p3$8$5$y7cUfivSMn4NSVVUsqPtxcvvbpga5I85KsPM4ac+8Xmz2xZ5WOZiFh26BPcEyasKe3FQ2EGUx6QJYuZo9vSf8A==",
    ),
    "werkzeug scrypt": (
        YUKI,
        "scrypt:32768:8:1$iiIAJ91yVdMjjgUf$243df2c08dd10929d207ffb857fa919b9df1bbdc97e8eadeadc46aceab6ce4819615c524d935a4c63bd521e2673da042771beded0634262a9d8c8adbcdbbd62f",
    ),
    "werkzeug pbkdf2": (
        MARA,
        "pbkdf2:sha256:2000$0289uQC0XNk3SXVr$ecc0596dea3b44365552e8ea586848642c0f58cd82e68bea01cf1faac0443cd6",
    ),
    "bcrypt of WordPress": (YUKI, "$wp$2y$05$ZAmb5EG.61UrS5nVGLrLDO.8RTqYpKpFY9qnpUHA/3N2C076I3FxC"),
    "aspnet v2": (MARA, "AAABAgMEBQYHCAkKCwwNDg/Q596IAfW8rybnyWbzC1MoLAvm3vMsRguB0aaoJ3/W8g=="),
    "aspnet v3 sha256": (YUKI, "AQAAAAEAACcQAAAAEAABAgMEBQYHCAkKCwwNDg83F8t/CE0lTh0ONcSE5zOgixtqwMnlkvL0Y8XV7Yj+5Q=="),
    "aspnet v3 sha512": (YUKI, "AQAAAAIAAYagAAAAEAABAgMEBQYHCAkKCwwNDg/+BqPKkgbJDwiqRuMTyk/BW+rgkvj+U6bqfh45C+XUPw=="),
    "aspnet v3 sha1": (YUKI, "AQAAAAAAAAPoAAAAEAABAgMEBQYHCAkKCwwNDg/+E8wUxogRZy7BbGvFavEmhDO0BmrOSSh7bzuSii95Gg=="),
    "argon2id in padded base64": (
        YUKI,
        "$argon2id$v=19$m=7168,t=5,p=1$oQLl1Fo/HPvlLA1R2FR4wQ==$AtlqnM3EKmR/ZEQ+DUjR/ei8wVRw3VMvKmHBCL+2LPU=",
    ),
    "pbkdf2 of Keycloak": (
        MARA,
        "$pbkdf2-sha256$27500$P/bwsnaDgPHL2dBAZaN8TA==$CsaoslD1Yb3dMkhO2oR6Iena9ja45B+iu2JHpZju6Ujp0AtZLOkVXLFUVQv9mWWtBKsqcRvQCFndBbtU8rbJBg==",
    ),
    "pbkdf2 in PHC form": (
        TOMAS,
        "$pbkdf2-sha512$i=210000,l=64$/wxwXwP/QkeHqBgTfiEK2Q$UpDBdXe9fD3aci8PJbAGcVRN3QC1Z/fvyVkhjPQOpURfWf4XvYhrxufNajaLpV/NKaTtw1C2ndQqUCYv96R7Uw",
    ),
    "Firebase": (
        TOMAS,
        "$firescrypt$ln=14,r=8,p=1$zjYBCtyOKD1F2Q==$NugRtMoFBgMWhsXJAfZJhse0WgUoyNokEO7z39l+bmTSxB44LCmReBhiZWY+zi5EF1WAIJ0PhRtwPoIlSPZvdQ==$Bw==$0LZjTF+TwLHKZNJ8w87oSPExRU12Xj4yBx/jcOpy2Pd8jdZKGRTHTHZpX5PIvso1KLJ5L8lad3leQBt+wVnrXQ==",
    ),
    "Firebase as Supabase writes it": (
        YUKI,
        "$fbscrypt$v=1,n=14,r=8,p=1,ss=Bw==,sk=0LZjTF+TwLHKZNJ8w87oSPExRU12Xj4yBx/jcOpy2Pd8jdZKGRTHTHZpX5PIvso1KLJ5L8lad3leQBt+wVnrXQ==$rPcdo56GWMcW5A==$6FK+m2OFIXjPPGN1MbJS96g0bGBqpm/foT1JruU2XHJZUDIS9Z+Uchy4kV5UWP7kzs7IkNHjXqSOJCPgMS3+6A==",
    ),
    "argon2 of OpenLDAP": (
        YUKI,
        "{ARGON2}$argon2id$v=19$m=65536,t=3,p=4$dqsQIbJ2E9jwWgSXkwwpWg$ek06TRwJiXs60vqZT7Mzt0RuAwQLK4kU5BAlrPBVhYY",
    ),
    "sha512-crypt with passlib's rounds": (
        TOMAS,
        "{CRYPT}$6$rounds=656000$V13E6nKEDPZ6AF/F$mRSdYpTo.JcgplqLGS8g/E5X/NjXnhED3SSa0IknUH5vfN7h4kQLJMKKw8mBaxHQNBYT6DPysSPL9lMpmfv0X/",
    ),
    "phpass with passlib's rounds": (MARA, "$P$HuZDZLWJX.RSfEWjAmuUXrxgNtjOCH/"),
    "bcrypt 2a of crypt_blowfish": ("U*U*", "$2a$05$CCCCCCCCCCCCCCCCCCCCC.VGOzA784oUp/Z0DY336zx7pLYAy0lwK"),
    "bcrypt_sha256 of passlib's tests, version 1": (
        "password",
        "$bcrypt-sha256$2a,5$5Hg1DKFqPE8C2aflZ5vVoe$12BjNE0p7axMg55.Y/mHsYiVuFBDQyu",
    ),
    "bcrypt_sha256 of passlib's tests, version 2": (
        "password",
        "$bcrypt-sha256$v=2,t=2b,r=5$5Hg1DKFqPE8C2aflZ5vVoe$wOK1VFFtS8IGTrGa7.h5fs0u84qyPbS",
    ),
    "Firebase's documented sample": (
        "user1password",
        (
            "$firescrypt$ln=14,r=8,p=1$42xEC+ixf3L2lw==$lSrfV15cpx95/sZS2W9c9Kp6i/LVgQNDNC/qzrCnh1SAyZvqmZqAjTdn3aoItz+VHjoZilo78198JAdRuid5lQ==$Bw=="
            "$jxspr8Ki0RYycVU8zykbdLGjFQ3McFUH0uiiTvC8pVMXAn210wjLNmdZJzxUECKbm0QsEmYUSDzZvpjeJ9WmXA=="
        ),
    ),
    "phpass's own test": ("test12345", "$P$9IQRaTwmfeRo7ud9Fh4E2PdI0S3r.L0"),
    "phpass of phpBB": ("thisisalongertestPW", "$P$912345678LIjjb6PhecupozNBmDndU0"),
    "sha256-crypt's specification": ("Hello world!", "$5$saltstring$5B8vYYiY.CVt1RlTTf8KbXBH3hsxY/GNooZaBBGWEc5"),
    "sha256-crypt's specification, with rounds": (
        "Hello world!",
        "$5$rounds=10000$saltstringsaltst$3xv.VbSHBb41AL9AvLeujZkZRBAwqFMz2.opqey6IcA",
    ),
    "sha512-crypt's specification": (
        "Hello world!",
        "$6$saltstring$svn8UoSVapNtMuq1ukKS4tPQd8iKwSMHWjl/O817G3uBnIFNjnQJuesI68u4OTLiBFdcbYEdFCoEOfaS35inz1",
    ),
    "prefix {bcrypt}": (YUKI, "{bcrypt}$2a$05$6WL1SoTieYtoXKht0SiQ2ueAIOn94Tg78F/CXOWV0Vxwzl/jItALW"),
    "prefix {BLF-CRYPT}": (YUKI, "{BLF-CRYPT}$2y$05$6WL1SoTieYtoXKht0SiQ2ueAIOn94Tg78F/CXOWV0Vxwzl/jItALW"),
    "prefix 1|": (YUKI, "1|$2y$05$6WL1SoTieYtoXKht0SiQ2ueAIOn94Tg78F/CXOWV0Vxwzl/jItALW"),
    "prefix 3|": (TOMAS, "3|$argon2id$v=19$m=1024,t=2,p=4$/b8XYuydU8p5772XEmLMGQ$kZgxUVfNnuXjcO5odYbGbmo8TxKHZq+gFz0LRpjdXm8"),
    "prefix {argon2@SpringSecurity_v5_8}": (
        TOMAS,
        "{argon2@SpringSecurity_v5_8}$argon2id$v=19$m=1024,t=2,p=4$/b8XYuydU8p5772XEmLMGQ$kZgxUVfNnuXjcO5odYbGbmo8TxKHZq+gFz0LRpjdXm8",
    ),
    "prefix {SHA512-CRYPT}": (
        MARA,
        "{SHA512-CRYPT}$6$rounds=1234$9CpPyTnvL4AT8MoG$lGIaI5ll/T3kV0a7A/6ivvg/lDBQifTyLTSFow2M8BnYOZF2gNVbaTPiQnJU7oLQsNOFHDL8P3kXvQxqNV5NU0",
    ),
    "prefix {ASPNET}": (MARA, "{ASPNET}AAABAgMEBQYHCAkKCwwNDg/Q596IAfW8rybnyWbzC1MoLAvm3vMsRguB0aaoJ3/W8g=="),
}
