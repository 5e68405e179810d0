//! A change of password at the front door, with curl: as the documentation tells a user to, and as a browser does it.

use super::door::{Door, Error, Login};

/// HTTP status, and what came with it.
pub type Answer = (u16, String);

impl Door {
    /// `PUT`, with the old password as Basic authentication and the new one as body.
    pub fn change_password(&self, login: Login<'_>, new: &str) -> Result<Answer, Error> {
        self.curl(&[
            ("user", &format!("{}:{}", login.user, login.password)),
            ("request", "PUT"),
            ("data-raw", new),
        ])
    }

    /// The page with the form, its headers before it.
    pub fn password_page(&self) -> Result<Answer, Error> {
        self.curl(&[("include", "")])
    }

    /// The form of that page, filled in and sent.
    pub fn fill_in_password_form(&self, login: Login<'_>, new: &str) -> Result<Answer, Error> {
        let field = |name: &str, value: &str| format!("{name}={value}");
        self.curl(&[
            ("data-urlencode", &field("address", login.user)),
            ("data-urlencode", &field("old", login.password)),
            ("data-urlencode", &field("new", new)),
            ("data-urlencode", &field("again", new)),
        ])
    }

    fn curl(&self, options: &[(&str, &str)]) -> Result<Answer, Error> {
        let name = &self.name;
        let url = format!("https://{name}/password");
        let resolve = format!("{name}:443:{}", self.address);
        let authorities = self.authorities.display().to_string();
        let common = [
            ("url", url.as_str()),
            ("resolve", &resolve),
            ("cacert", &authorities),
            ("max-time", "20"),
            ("write-out", "\n%{http_code}"),
            ("silent", ""),
            ("show-error", ""),
        ];
        // The configuration goes in by standard input, since arguments are for everybody to see.
        let configuration: String = common
            .iter()
            .chain(options)
            .map(|(option, value)| line(option, value))
            .collect();
        let output = self
            .machine
            .exec_with(&["curl", "--config", "-"], configuration.as_bytes())?;
        let text = String::from_utf8_lossy(&output.stdout);
        let (answer, status) = text.rsplit_once('\n').unwrap_or(("", &text));
        Ok((status.trim().parse().unwrap_or(0), answer.to_owned()))
    }
}

/// A line of curl's configuration. An option without a value is a switch.
fn line(option: &str, value: &str) -> String {
    if value.is_empty() {
        return format!("{option}\n");
    }
    let quoted = value
        .replace('\\', "\\\\")
        .replace('"', "\\\"")
        .replace('\n', "\\n");
    format!("{option} = \"{quoted}\"\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_can_not_end_its_line() {
        assert_eq!(line("data-raw", "a\"b\\c\nd"), "data-raw = \"a\\\"b\\\\c\\nd\"\n");
        assert_eq!(line("silent", ""), "silent\n");
    }
}
