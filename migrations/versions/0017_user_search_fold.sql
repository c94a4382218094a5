-- The functions of migration 0017: what the search compares. {schema} is filled in by it.

-- Texts with letters outside of ASCII. Each step looks for its letters first, since translate() compares every character with
-- each of its list: 20 µs for a name and a list of 25 letters.
CREATE OR REPLACE FUNCTION user_search_fold_letters(given text) RETURNS text IMMUTABLE STRICT PARALLEL SAFE LANGUAGE plpgsql AS $$
DECLARE
    -- Compatibility forms become plain letters: widths, ligatures, the long s. Accents stand for themselves.
    folded text := normalize(given, NFKD);
BEGIN
    -- Accents, Hebrew and Arabic vowel points, the Arabic tatweel, and characters that nobody sees.
    folded := regexp_replace(folded, '[\u0300-\u036f\u0483-\u0487\u0591-\u05bd\u05bf\u05c1\u05c2\u05c4\u05c5\u05c7'
        '\u0610-\u061a\u0640\u064b-\u065f\u0670\u06d6-\u06dc\u06df-\u06e4\u06e7\u06e8\u06ea-\u06ed'
        '\u1ab0-\u1aff\u1dc0-\u1dff\u20d0-\u20ff\ufe00-\ufe0f\ufe20-\ufe2f\u00ad\u200b-\u200f\u2060\ufeff]', '', 'g');
    folded := lower(folded COLLATE "C");
    IF octet_length(folded) = char_length(folded) THEN
        RETURN folded;
    END IF;
    -- Names in scripts without capitals are done.
    IF folded ~ '[\u00d0-\u058f\u0629\u0649\u06a9\u06be\u06cc\u10a0-\u10c5\u13a0-\u13f5\u1c90-\u1cbf\u1e9e\u2010-\u2212\u2c00-\u2cff\u3001\ua640-\ua7ff\U00010400-\U0001e921]' THEN
        IF folded ~ '[ßẞæÆœŒþÞ]' THEN
            folded := replace(replace(folded, 'ß', 'ss'), 'ẞ', 'ss');
            folded := replace(replace(folded, 'æ', 'ae'), 'Æ', 'ae');
            folded := replace(replace(folded, 'œ', 'oe'), 'Œ', 'oe');
            folded := replace(replace(folded, 'þ', 'th'), 'Þ', 'th');
        END IF;
        IF folded ~ '[\u00d0-\u0256\u2010-\u201b\u2212\u02b9-\u02bc\u3001]' THEN
            folded := translate(folded, 'øØđĐðÐħĦıłŁŋŊŧŦĸɓƁɖƉɗƊɛƐƙƘɔƆƴƳƏ’‘‛ʼʹ‐‑‒–—―−、', 'ooddddhhillnnttkbbddddɛɛkkɔɔyyə''''''''''-------,');
        END IF;
        IF folded ~ '[Α-Ως]' THEN
            folded := translate(folded, 'ΑΒΓΔΕΖΗΘΙΚΛΜΝΞΟΠΡΣΤΥΦΧΨΩς', 'αβγδεζηθικλμνξοπρστυφχψωσ');
        END IF;
        IF folded ~ '[Ѐ-Я]' THEN
            folded := translate(folded, 'АБВГДЕЖЗИКЛМНОПРСТУФХЦЧШЩЪЫЬЭЮЯЄІЂЅЈЉЊЋЏ', 'абвгдежзиклмнопрстуфхцчшщъыьэюяєіђѕјљњћџ');
        END IF;
        IF folded ~ '[\u0490-\u04ff]' THEN
            folded := translate(folded, 'ҐҒҔҖҘҚҜҠҢҤҪҮҰҲҶҸҺӀӘӨ', 'ґғҕҗҙқҝҡңҥҫүұҳҷҹһӏәө');
        END IF;
        IF folded ~ '[Ա-Ֆ]' THEN
            folded := translate(folded, 'ԱԲԳԴԵԶԷԸԹԺԻԼԽԾԿՀՁՂՃՄՅՆՇՈՉՊՋՌՍՎՏՐՑՒՓՔՕՖ', 'աբգդեզէըթժիլխծկհձղճմյնշոչպջռսվտրցւփքօֆ');
        END IF;
        IF folded ~ '[ىیکةھ]' THEN
            folded := translate(folded, 'ىیکةھ', 'ييكهه');
        END IF;
        IF folded ~ '[\u0180-\u024f\u0460-\u0481\u0500-\u052f\u10a0-\u10c5\u13a0-\u13f5\u1c90-\u1cbf\u2c00-\u2cff\ua640-\ua7ff\U00010400-\U0001e921]' THEN
            folded := {schema}.user_name_key_unusual(folded);  -- capitals of scripts that few names are written in
        END IF;
    END IF;
    IF folded IS NOT NFC NORMALIZED THEN
        folded := normalize(folded, NFC);  -- Hangul and kana are whole characters again
    END IF;
    RETURN folded;
END $$;

-- PostgreSQL writes the body of this one into the query that calls it, so most names cost no call.
CREATE OR REPLACE FUNCTION user_search_fold(given text) RETURNS text IMMUTABLE PARALLEL SAFE LANGUAGE sql
RETURN CASE
    WHEN octet_length(given) = char_length(given) THEN lower(given COLLATE "C")
    ELSE user_search_fold_letters(given)
END;

CREATE OR REPLACE FUNCTION user_search_text() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    NEW.search_text := concat_ws(
        chr(31), {schema}.user_search_fold(NEW.username), {schema}.user_search_fold(NEW.email),
        {schema}.user_search_fold(NEW.full_name)
    );
    RETURN NEW;
END $$;
