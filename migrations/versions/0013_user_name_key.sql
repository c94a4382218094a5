-- The functions of migration 0013. Names in braces are filled in by it.

-- RFC 3492, section 6.2. What is no Punycode stays as it is. No EXCEPTION clause: parallel builds of an index allow none.
CREATE OR REPLACE FUNCTION user_name_key_label(label text) RETURNS text IMMUTABLE STRICT PARALLEL SAFE LANGUAGE plpgsql AS $$
DECLARE
    cut int := length(label) - strpos(reverse(label), '-');  -- the last hyphen; of a label without basic characters that of xn--
    plain text := substr(label, 5, greatest(cut - 4, 0));
    coded text := substr(label, cut + 2);
    code bigint := 128;
    place bigint := 0;
    bias int := 72;
    start bigint;
    weight bigint;
    threshold int;
    step int;
    digit int;
BEGIN
    IF coded = '' THEN
        RETURN label;
    END IF;
    WHILE coded <> '' LOOP
        start := place;
        weight := 1;
        step := 36;
        LOOP
            digit := strpos('abcdefghijklmnopqrstuvwxyz0123456789', left(coded, 1)) - 1;
            IF coded = '' OR digit < 0 OR weight > 100000000 THEN
                RETURN label;
            END IF;
            coded := substr(coded, 2);
            place := place + digit * weight;
            threshold := least(greatest(step - bias, 1), 26);
            EXIT WHEN digit < threshold;
            weight := weight * (36 - threshold);
            step := step + 36;
        END LOOP;
        bias := 0;
        start := (place - start) / CASE WHEN start = 0 THEN 700 ELSE 2 END;
        start := start + start / (length(plain) + 1);
        WHILE start > 455 LOOP
            start := start / 35;
            bias := bias + 36;
        END LOOP;
        bias := bias + 36 * start / (start + 38);
        code := code + place / (length(plain) + 1);
        place := place % (length(plain) + 1);
        IF code > 1114111 OR code BETWEEN 55296 AND 57343 THEN
            RETURN label;
        END IF;
        plain := left(plain, place::int) || chr(code::int) || substr(plain, place::int + 1);
        place := place + 1;
    END LOOP;
    RETURN plain;
END $$;

-- What few names need: letters outside of ASCII, or a label in Punycode.
CREATE OR REPLACE FUNCTION user_name_key_unusual(name text) RETURNS text IMMUTABLE STRICT PARALLEL SAFE LANGUAGE plpgsql AS $$
DECLARE
    key text := lower(name COLLATE "C");
    domain text := substring(key FROM '@([^@]*)$');
BEGIN
    IF strpos(domain, 'xn--') > 0 THEN
        key := left(key, length(key) - length(domain)) || (
            SELECT string_agg(
                CASE WHEN left(label, 4) = 'xn--' THEN {schema}.user_name_key_label(label) ELSE label END, '.' ORDER BY place
            )
            FROM unnest(string_to_array(domain, '.')) WITH ORDINALITY AS labels (label, place)
        );
    END IF;
    RETURN normalize(translate(lower(normalize(key) COLLATE "C"), '{capitals}', '{small}'));  -- K, the sign of the kelvin, is a K
END $$;

-- PostgreSQL writes the body of this one into the query that calls it, so most names cost no call.
CREATE OR REPLACE FUNCTION user_name_key(name text) RETURNS text IMMUTABLE PARALLEL SAFE LANGUAGE sql
RETURN CASE
    WHEN octet_length(name) = char_length(name) AND strpos(lower(name COLLATE "C"), 'xn--') = 0 THEN lower(name COLLATE "C")
    ELSE user_name_key_unusual(name)
END;
