//! Search filters whose values are escaped.

use ldap3::ldap_escape;

/// `(attribute=value)`.
pub fn equals(attribute: &str, value: &str) -> String {
    format!("({attribute}={})", ldap_escape(value))
}

/// All of them.
pub fn all<const N: usize>(filters: [String; N]) -> String {
    format!("(&{})", filters.concat())
}

/// Of an object class.
pub fn class(name: &str) -> String {
    equals("objectClass", name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_can_not_change_the_filter() {
        assert_eq!(
            all([class("govucAccount"), equals("mail", "*)(uid=*")]),
            r"(&(objectClass=govucAccount)(mail=\2a\29\28uid=\2a))"
        );
    }
}
