//! The page on which a password is changed: Malay, then English, without any script.

use std::sync::LazyLock;

use axum::http::HeaderValue;
use base64::{Engine, engine::general_purpose::STANDARD};
use govuc_wire::password::Rules;
use ring::digest;

use super::text::Sentence;

const STYLE: &str = include_str!("password.css");

/// Nothing but the page itself, the style that is in it, and its form sent back to where it came from.
static POLICY: LazyLock<HeaderValue> = LazyLock::new(|| {
    let style = STANDARD.encode(digest::digest(&digest::SHA256, STYLE.as_bytes()));
    let policy = format!(
        "default-src 'none'; style-src 'sha256-{style}'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    );
    // Base64 and the words above are ASCII.
    HeaderValue::from_str(&policy).expect("ASCII without control characters")
});

/// The page's `Content-Security-Policy`.
pub fn content_security_policy() -> HeaderValue {
    POLICY.clone()
}

/// The form, with the address typed before and what was wrong.
pub fn form(rules: Rules, address: &str, fault: Option<&Sentence>) -> String {
    let title = match fault {
        Some(_) => "Ralat / Error: Tukar kata laluan / Change password",
        None => "Tukar kata laluan / Change password",
    };
    // Who can't see the page is read what was wrong first: it has the focus.
    let fault = fault.map_or_else(String::new, |Sentence { ms, en }| {
        format!(
            "<div class=\"fault\" role=\"alert\" tabindex=\"-1\" autofocus><p>{}</p><p lang=\"en\">{}</p></div>\n",
            escaped(ms),
            escaped(en)
        )
    });
    let main = format!(
        include_str!("password.html"),
        fault = fault,
        address = escaped(address),
        least = rules.min_length,
    );
    page(title, &main)
}

/// After a change.
pub fn changed() -> String {
    let main = "<h1>Kata laluan telah ditukar</h1>\n\
        <p>Gunakan kata laluan baharu dalam program e-mel anda.</p>\n\
        <div lang=\"en\"><h2>The password was changed</h2>\n\
        <p>Use the new password in your mail program.</p></div>\n";
    page("Kata laluan telah ditukar / The password was changed", main)
}

fn page(title: &str, main: &str) -> String {
    format!(
        "<!doctype html>\n<html lang=\"ms\">\n<head>\n<meta charset=\"utf-8\">\n\
        <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
        <title>{title} – 1GovUC</title>\n<style>{STYLE}</style>\n</head>\n\
        <body>\n<main>\n{main}</main>\n</body>\n</html>\n"
    )
}

/// As text of an element or value of an attribute in double quotes.
fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    const RULES: Rules = Rules {
        min_length: 14,
        lockout_seconds: 900,
    };

    #[test]
    fn every_field_has_a_label_and_tells_the_browser_what_it_is() {
        let html = form(RULES, "", None);
        for (name, kind) in [
            ("address", "username"),
            ("old", "current-password"),
            ("new", "new-password"),
            ("again", "new-password"),
        ] {
            assert!(html.contains(&format!("<label for=\"{name}\">")), "{name}");
            let field = html
                .split('<')
                .find(|tag| tag.starts_with("input") && tag.contains(&format!(" name=\"{name}\"")))
                .unwrap();
            assert!(field.contains(&format!(" id=\"{name}\"")), "{field}");
            assert!(field.contains(&format!(" autocomplete=\"{kind}\"")), "{field}");
            assert!(field.contains(" required"), "{field}");
            assert_eq!(field.contains(" type=\"password\""), name != "address", "{field}");
        }
        assert!(html.contains("action=\"/password\"") && html.contains("method=\"post\""));
    }

    #[test]
    fn the_rule_is_told_before_anybody_breaks_it() {
        let html = form(RULES, "", None);
        assert!(html.contains("Sekurang-kurangnya 14 aksara") && html.contains("At least 14 characters"));
        assert!(html.contains("minlength=\"14\""));
    }

    #[test]
    fn what_was_typed_comes_back_as_text_and_not_as_html() {
        let html = form(RULES, "\"><script>alert('x')</script>&", None);
        assert!(!html.contains("<script"), "{html}");
        assert!(
            html.contains("value=\"&quot;&gt;&lt;script&gt;alert(&#39;x&#39;)&lt;/script&gt;&amp;\""),
            "{html}"
        );
    }

    #[test]
    fn what_was_wrong_is_said_first_in_both_languages() {
        let html = form(RULES, "", Some(&Sentence::new("Salah", "Wrong")));
        let (before, _) = html.split_once("<form").unwrap();
        assert!(
            before.contains("role=\"alert\"")
                && before.contains("<p>Salah</p>")
                && before.contains("<p lang=\"en\">Wrong</p>"),
            "{before}"
        );
        assert!(before.contains("<title>Ralat / Error"), "{before}");
    }

    #[test]
    fn the_policy_lets_the_pages_own_style_in_and_nothing_else() {
        let policy = content_security_policy();
        let policy = policy.to_str().unwrap();
        let html = changed();
        let (_, rest) = html.split_once("<style>").unwrap();
        let (style, _) = rest.split_once("</style>").unwrap();
        let digest = STANDARD.encode(digest::digest(&digest::SHA256, style.as_bytes()));
        assert!(
            policy.contains(&format!("style-src 'sha256-{digest}'")),
            "{policy}"
        );
        assert!(policy.starts_with("default-src 'none'; "), "{policy}");
        for html in [html, form(RULES, "", None)] {
            for outside in ["<script", " style=", "http:", "https:", " on"] {
                assert!(!html.contains(outside), "{outside}: {html}");
            }
        }
    }
}
