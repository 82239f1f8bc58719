//! Personal data and keys in texts. A regular expression finds candidates; checksums and lengths tell them from other numbers.

use regex::Regex;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::redact::{RedactError, compile};

/// A kind of data that is found in texts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum PersonalData {
    /// Keys and tokens of services, and private keys.
    Key,
    /// Addresses of electronic mail.
    Email,
    /// International bank account numbers, by country's length and checksum.
    Iban,
    /// Numbers of payment cards, by brand's prefix and Luhn's checksum.
    Card,
    /// Social security numbers of the United States.
    Ssn,
    /// Telephone numbers: international, or with separators.
    Phone,
}

impl PersonalData {
    /// All kinds, in the order in which they are looked for.
    pub const ALL: [Self; 6] = [Self::Key, Self::Email, Self::Iban, Self::Card, Self::Ssn, Self::Phone];

    /// What stands in its place.
    pub fn marker(self) -> &'static str {
        match self {
            Self::Key => "[key]",
            Self::Email => "[email]",
            Self::Iban => "[iban]",
            Self::Card => "[card]",
            Self::Ssn => "[ssn]",
            Self::Phone => "[phone]",
        }
    }

    fn pattern(self) -> &'static str {
        match self {
            Self::Key => KEYS,
            Self::Email => r"[\p{L}\p{N}._%+'\-]+@[\p{L}\p{N}\-]+(?:\.[\p{L}\p{N}\-]+)+",
            Self::Iban => r"[A-Za-z]{2}[0-9]{2}(?:[ \-\x{a0}\x{202f}]?[A-Za-z0-9]){11,30}",
            Self::Card => r"[0-9](?:[ .\-\x{a0}\x{2009}\x{202f}]?[0-9]){12,18}",
            Self::Ssn => SSNS,
            Self::Phone => PHONES,
        }
    }

    /// How much of a candidate it is, in bytes from its beginning; nothing when it only looks like it.
    fn length(self, candidate: &str) -> Option<usize> {
        match self {
            Self::Key | Self::Email => Some(candidate.len()),
            Self::Iban => prefixes(candidate).find(|(_, compact)| is_iban(compact)).map(|(length, _)| length),
            Self::Card => prefixes(candidate).find(|(_, compact)| is_card(compact)).map(|(length, _)| length),
            Self::Ssn => {
                let digits: String = candidate.chars().filter(char::is_ascii_digit).collect();
                let (area, group, serial) = (digits.get(..3)?, digits.get(3..5)?, digits.get(5..)?);
                let is_given = area != "000" && area != "666" && !area.starts_with('9') && group != "00" && serial != "0000";
                (is_given && has_one_separator(candidate)).then_some(candidate.len())
            }
            Self::Phone => {
                // No number has more than 15 digits; what is beside one may look like more of it.
                let is_number = |compact: &String| (7..=15).contains(&compact.chars().filter(char::is_ascii_digit).count());
                let ends = |length: usize| {
                    let mut rest = candidate.get(length..).unwrap_or_default().chars();
                    !(matches!(rest.next(), Some('.' | '-')) && rest.next().is_some_and(|next| next.is_ascii_digit()))
                };
                let mut prefixes = prefixes(candidate).filter(|(_, compact)| is_number(compact));
                prefixes.find(|(length, _)| ends(*length)).map(|(length, _)| length)
            }
        }
    }
}

/// What stands before a key is part of the pattern (and not of the key, which is the group): a word that goes on into what looks like a key must
/// not be searched again from each of its places, which takes time in proportion to the square of the text.
const KEYS: &str = concat!(
    r"(-----BEGIN [A-Z ]*PRIVATE KEY-----(?s:.*?)(?:-----END [A-Z ]*PRIVATE KEY-----|\z))",
    r"|(?:^|[^0-9A-Za-z])(",
    r"(?:sk|pk|rk|gsk|hf|fw|pplx|nvapi|xai|glpat|whsec)[-_][A-Za-z0-9_\-]{12,}",
    r"|A(?:KIA|SIA)[0-9A-Z]{16}",
    r"|gh[pousr]_[A-Za-z0-9]{30,}",
    r"|github_pat_[A-Za-z0-9_]{30,}",
    r"|xox[abeprs]-[A-Za-z0-9\-]{10,}",
    r"|AIza[0-9A-Za-z_\-]{30,}",
    r"|eyJ[A-Za-z0-9_\-]{8,}\.[A-Za-z0-9_\-]{8,}\.[A-Za-z0-9_\-]{4,}",
    r"|(?i:bearer) +[A-Za-z0-9._~+/\-]{16,}=*",
    r")",
);

/// Three, two and four digits with separators; or nine digits after the number's name, since nine digits alone are many things.
const SSNS: &str = concat!(
    r"([0-9]{3}[-. \x{a0}\x{2010}-\x{2013}][0-9]{2}[-. \x{a0}\x{2010}-\x{2013}][0-9]{4})",
    r"|(?i:\bssn|\bsocial security(?: number| no\.?)?)(?i:[ :=#]| is){0,4}([0-9]{9})",
);

/// With a country: `+` or `00`. Without one: the groups of North America, with its own country code too; area codes that begin with 0, in
/// brackets or not; the pairs of France; and whatever stands in a `tel:` address.
const PHONES: &str = concat!(
    r"\+[0-9][0-9 ().\-\x{a0}\x{2009}-\x{2013}\x{202f}/]{6,20}[0-9]",
    r"|00[1-9][0-9]{0,2}[ .\-/\x{a0}][0-9 ().\-\x{a0}\x{2009}-\x{2013}\x{202f}/]{5,18}[0-9]",
    r"|(?:1[-. \x{a0}])?\([0-9]{3}\)[ \x{a0}]?[0-9]{3}[-. \x{a0}\x{2010}-\x{2013}][0-9]{4}",
    r"|(?:1[-. \x{a0}])?[0-9]{3}[-. \x{a0}\x{2010}-\x{2013}][0-9]{3}[-. \x{a0}\x{2010}-\x{2013}][0-9]{4}",
    r"|\(0[0-9]{1,4}\)[ \-\x{a0}]?[0-9]{3,4}[ \-\x{a0}]?[0-9]{3,5}",
    r"|0[1-9](?:[ .\-\x{a0}][0-9]{2}){4}",
    r"|0[0-9]{2,4}[ \-][0-9]{3,4}[ \-][0-9]{3,5}",
    r"|0[0-9]{2,4}[ /\-][0-9]{5,9}",
    r"|(?i:tel:)[0-9().\-]{7,20}",
);

/// Whether what stands between its digits is the same everywhere: other numbers that happen to have three groups mix it.
fn has_one_separator(candidate: &str) -> bool {
    let mut separators = candidate.chars().filter(|c| !c.is_ascii_digit());
    separators.next().is_none_or(|first| separators.all(|other| other == first))
}

/// The beginnings of a candidate that end where no letter or digit follows, the longest first, each with its letters and digits alone.
fn prefixes(candidate: &str) -> impl Iterator<Item = (usize, String)> {
    let ends = candidate.char_indices().map(|(start, c)| start.saturating_add(c.len_utf8())).collect::<Vec<_>>();
    ends.into_iter().rev().filter_map(move |end| {
        let (prefix, rest) = candidate.split_at_checked(end)?;
        let inside_a_word = rest.chars().next().is_some_and(|next| next.is_ascii_alphanumeric());
        let ends_well = prefix.chars().next_back().is_some_and(|last| last.is_ascii_alphanumeric());
        (ends_well && !inside_a_word).then(|| (end, prefix.chars().filter(char::is_ascii_alphanumeric).collect()))
    })
}

/// The lengths of account numbers by country, from the registry of ISO 13616.
const IBAN_LENGTHS: &str = "AD24AE23AL28AT20AZ28BA20BE16BG22BH22BI27BR29BY28CH21CR22CY28CZ24DE22DJ27DK18DO28EE20EG29ES24FI18FK18FO18FR27GB22GE22GI23\
                            GL18GR27GT28HN28HR21HU28IE22IL23IQ23IS26IT27JO30KW30KZ20LB28LC32LI21LT20LU20LV21LY25MC27MD24ME22MK19MN20MR27MT31MU30\
                            NI28NL18NO15OM23PK24PL28PS29PT25QA29RO24RS22RU33SA24SC31SD18SE24SI19SK24SM27SO23ST25SV28TL23TN24TR26UA29VA22VG24XK20\
                            YE30";

fn is_iban(compact: &str) -> bool {
    let upper = compact.to_ascii_uppercase();
    let Some((country, _)) = upper.split_at_checked(2) else { return false };
    let mut entries = IBAN_LENGTHS.as_bytes().chunks_exact(4).filter_map(|entry| std::str::from_utf8(entry).ok());
    let known = entries.find_map(|entry| entry.strip_prefix(country)).and_then(|length| length.parse::<usize>().ok());
    if known != Some(upper.len()) {
        return false;
    }
    let (head, tail) = upper.split_at_checked(4).unwrap_or_default();
    let rest = tail.chars().chain(head.chars()).try_fold(0_u32, |rest, c| {
        let value = c.to_digit(36)?;
        Some(if value < 10 { (rest * 10 + value) % 97 } else { (rest * 100 + value) % 97 })
    });
    rest == Some(1)
}

fn is_card(digits: &str) -> bool {
    let starts = |length: usize| digits.get(..length).and_then(|start| start.parse::<u32>().ok()).unwrap_or(0);
    let (two, three, four) = (starts(2), starts(3), starts(4));
    let brand = match digits.len() {
        13 | 19 => two / 10 == 4 || four == 6011 || two == 65,
        14 => (300..=305).contains(&three) || matches!(two, 36 | 38 | 39),
        15 => matches!(two, 34 | 37),
        16 => {
            matches!(two, 40..=49 | 51..=55 | 35 | 65 | 60 | 62) || (2221..=2720).contains(&four) || (644..=649).contains(&three)
        }
        _ => false,
    };
    brand && luhn(digits)
}

fn luhn(digits: &str) -> bool {
    let sum: u32 = digits
        .chars()
        .rev()
        .filter_map(|c| c.to_digit(10))
        .enumerate()
        .map(|(index, digit)| match (index % 2, digit * 2) {
            (0, _) => digit,
            (_, doubled) if doubled > 9 => doubled - 9,
            (_, doubled) => doubled,
        })
        .sum();
    sum.is_multiple_of(10)
}

/// Finds one kind.
#[derive(Clone, Debug)]
pub(super) struct Finder {
    kind: PersonalData,
    regex: Regex,
}

impl Finder {
    pub(super) fn new(kind: PersonalData) -> Result<Self, RedactError> {
        Ok(Self { kind, regex: compile(kind.pattern())? })
    }

    /// The text with the kind's marker in each place where it is; nothing when it is in none.
    pub(super) fn replaced(&self, text: &str) -> Option<String> {
        let mut clean = String::new();
        let (mut copied, mut from) = (0, 0);
        while let Some((start, found)) = self.candidate(text, from) {
            // What was taken out goes on into nothing.
            let before = text.get(copied..start).unwrap_or_default();
            let length = if self.goes_on(found, before.chars().rev()) { None } else { self.kind.length(found) };
            let end = length.map(|length| start.saturating_add(length));
            match end {
                Some(end) if !self.goes_on(found, text.get(end..).unwrap_or_default().chars()) => {
                    clean.push_str(text.get(copied..start).unwrap_or_default());
                    clean.push_str(self.kind.marker());
                    copied = end;
                    from = end;
                }
                _ => from = start.saturating_add(found.chars().next().map_or(1, char::len_utf8)),
            }
        }
        if copied == 0 {
            return None;
        }
        clean.push_str(text.get(copied..).unwrap_or_default());
        Some(clean)
    }

    /// The next candidate: the group that took part, or all of what was found.
    fn candidate<'t>(&self, text: &'t str, from: usize) -> Option<(usize, &'t str)> {
        if self.regex.captures_len() == 1 {
            return self.regex.find_at(text, from).map(|found| (found.start(), found.as_str()));
        }
        let found = self.regex.captures_at(text, from)?;
        let group = found.iter().skip(1).flatten().next()?;
        Some((group.start(), group.as_str()))
    }

    /// Whether a word or a number goes on into what is beside it: then it is another word or number. Numbers with separators go on after one, too.
    /// Only ASCII counts: scripts without spaces between words (Chinese, Japanese, Thai …) put a number right beside a word.
    fn goes_on(&self, found: &str, mut beside: impl Iterator<Item = char>) -> bool {
        match beside.next() {
            // A private key says itself where it begins and ends.
            _ if found.starts_with("-----BEGIN") => false,
            None => false,
            Some('.' | '-') => {
                matches!(self.kind, PersonalData::Phone | PersonalData::Ssn)
                    && beside.next().is_some_and(|next| next.is_ascii_digit())
            }
            Some(next) => next.is_ascii_alphanumeric(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn clean(kind: PersonalData, text: &str) -> String {
        Finder::new(kind).unwrap().replaced(text).unwrap_or_else(|| text.to_owned())
    }

    #[test]
    fn each_kind_is_found_and_what_only_looks_like_it_is_left() {
        for (kind, before, after) in [
            (PersonalData::Email, "to ada.l+x@mail.example.org, please", "to [email], please"),
            (PersonalData::Email, "a@b and @home", "a@b and @home"),
            (PersonalData::Phone, "call +49 (30) 1234-5678 now", "call [phone] now"),
            (PersonalData::Phone, "(555) 123-4567 or 555.123.4567 or 0151 23456789", "[phone] or [phone] or [phone]"),
            (
                PersonalData::Phone,
                "2026-11-21, 1.2.3, 12345678901, 192.168.100.2000",
                "2026-11-21, 1.2.3, 12345678901, 192.168.100.2000",
            ),
            (PersonalData::Card, "pay 4111 1111 1111 1111 12 times", "pay [card] 12 times"),
            (PersonalData::Card, "nr 12 4111-1111-1111-1111", "nr 12 [card]"),
            (PersonalData::Card, "4111111111111112 and 1763760000000", "4111111111111112 and 1763760000000"),
            (PersonalData::Card, "378282246310005", "[card]"),
            (PersonalData::Iban, "to DE89 3704 0044 0532 0130 00 by Friday", "to [iban] by Friday"),
            (PersonalData::Iban, "gb82WEST12345698765432, de88370400440532013000", "[iban], de88370400440532013000"),
            (PersonalData::Ssn, "123-45-6789 but not 000-12-3456 or 1123-45-6789", "[ssn] but not 000-12-3456 or 1123-45-6789"),
            (
                PersonalData::Ssn,
                "123 45 6789, 123.45.6789, 123\u{2011}45\u{2011}6789, SSN: 123456789 and social security number is 123456789",
                "[ssn], [ssn], [ssn], SSN: [ssn] and social security number is [ssn]",
            ),
            (
                PersonalData::Ssn,
                "123456789, 123-45.6789, 123-00-6789, 123-45-0000",
                "123456789, 123-45.6789, 123-00-6789, 123-45-0000",
            ),
            (PersonalData::Phone, "0049 30 123456, 1-555-123-4567, 1 (555) 123-4567", "[phone], [phone], [phone]"),
            (
                PersonalData::Phone,
                "01 23 45 67 89; (030) 1234 5678; 020 7946 0958; tel:5551234567",
                "[phone]; [phone]; [phone]; [phone]",
            ),
            (PersonalData::Phone, "555\u{2011}123\u{2011}4567 and +1\u{a0}555\u{a0}1234567", "[phone] and [phone]"),
            (
                PersonalData::Phone,
                "version 0.12.34, 10:20:30, 01/02/2026, 1234567",
                "version 0.12.34, 10:20:30, 01/02/2026, 1234567",
            ),
            (PersonalData::Key, "AKIAIOSFODNN7EXAMPLE and Bearer abcdefghijklmnop==", "[key] and [key]"),
            (PersonalData::Key, "the task-force of risk_free_rates", "the task-force of risk_free_rates"),
            (PersonalData::Key, "-----BEGIN RSA PRIVATE KEY-----\nMIIE\n", "[key]"),
            (PersonalData::Key, r"x\n-----BEGIN PRIVATE KEY-----\nMI\n-----END PRIVATE KEY-----n", "x\\n[key]n"),
            (PersonalData::Key, "密钥sk-proj-0123456789abcdef好 task-management-system", "密钥[key]好 task-management-system"),
            (PersonalData::Key, "sk-0123456789abcdef,sk-0123456789abcdef", "[key],[key]"),
            (PersonalData::Card, "卡号4111111111111111请记下, 4111\u{a0}1111\u{202f}1111.1111", "卡号[card]请记下, [card]"),
            (PersonalData::Ssn, "号码是123-45-6789请", "号码是[ssn]请"),
            (PersonalData::Phone, "電話は+81 90-1234-5678です", "電話は[phone]です"),
            (PersonalData::Iban, "账号DE89370400440532013000吗", "账号[iban]吗"),
        ] {
            assert_eq!(clean(kind, before), after, "{kind:?}");
        }
    }

    /// Twice the text takes about twice the time: what has many beginnings of keys in it is no way to keep a host busy.
    #[test]
    fn searching_takes_time_in_proportion_to_the_text() {
        let marker = "-----BEGIN PRIVATE KEY-----";
        for text in ["task-".repeat(200_000), "eyJ".repeat(300_000), format!("a{marker}").repeat(20_000)] {
            let begun = std::time::Instant::now();
            let _ = clean(PersonalData::Key, &text);
            assert!(begun.elapsed() < std::time::Duration::from_secs(20), "{}…", &text[..10]);
        }
    }

    proptest! {
        #[test]
        fn a_card_is_found_between_any_words(before in "[a-z ,.]{0,12} ", after in " [a-z ,.]{0,12}", body in "4[0-9]{14}") {
            let check = (0..10).find(|digit| luhn(&format!("{body}{digit}"))).unwrap();
            let card = format!("{body}{check}");
            let cleaned = clean(PersonalData::Card, &format!("{before}{card}{after}"));
            prop_assert_eq!(cleaned, format!("{before}[card]{after}"));
        }

        #[test]
        fn numbers_of_people_are_found_in_all_their_forms(
            area in 201_u32..900, middle in 200_u32..1000, last in 1_u32..10_000, group in 1_u32..100, form in 0_usize..9,
            before in "[a-z,:]{0,8} ", after in "[,;]{0,1} [a-z]{0,8}",
        ) {
            prop_assume!(area != 666);
            let (kind, number) = match form {
                0 => (PersonalData::Phone, format!("+1 {area} {middle} {last:04}")),
                1 => (PersonalData::Phone, format!("({area}) {middle}-{last:04}")),
                2 => (PersonalData::Phone, format!("{area}.{middle}.{last:04}")),
                3 => (PersonalData::Phone, format!("1-{area}-{middle}-{last:04}")),
                4 => (PersonalData::Phone, format!("0044 {area} {middle} {last:04}")),
                5 => (PersonalData::Phone, format!("0{area} {middle}{last:04}")),
                6 => (PersonalData::Ssn, format!("{area}-{group:02}-{last:04}")),
                7 => (PersonalData::Ssn, format!("{area} {group:02} {last:04}")),
                _ => (PersonalData::Ssn, format!("{area}.{group:02}.{last:04}")),
            };
            let cleaned = clean(kind, &format!("{before}{number}{after}"));
            prop_assert_eq!(cleaned, format!("{}{}{}", before, kind.marker(), after), "{}", number);
        }

        #[test]
        fn no_text_makes_it_stumble(text in "[0-9A-Za-z@+ .()\\-é€\n]{0,80}") {
            for kind in PersonalData::ALL {
                let once = clean(kind, &text);
                prop_assert_eq!(clean(kind, &once), once);
            }
        }
    }
}
