//! Names: those that are made from a trait's or a method's, and what a name on the wire may be.

use proc_macro2::{Ident, Span};
use syn::ext::IdentExt;

/// A path, `service/method`, is at most this long on the wire.
pub(crate) const MAX_PATH_BYTES: usize = 255;

/// Leaves methods room in a path.
pub(crate) const MAX_SERVICE_BYTES: usize = 200;

/// The names of metadata are at most this long on the wire.
const MAX_METADATA_NAME_BYTES: usize = 64;

/// How the protocol's own metadata begins.
const RESERVED_METADATA: &str = "rpc-";

/// An identifier of the expansion that a mistake in it shows at `at`. It can't meet a user's
/// local variable of the same name, and lints see that nobody wrote it.
pub(crate) fn generated(name: &str, at: &Ident) -> Ident {
    Ident::new(name, Span::mixed_site().located_at(at.span()))
}

/// The companion's module: `inventory` for `Inventory`, `dyn_` for `Dyn`.
pub(crate) fn module(of: &Ident) -> Ident {
    let name = snake_case(&of.unraw().to_string());
    match syn::parse_str::<Ident>(&name) {
        Ok(_) => generated(&name, of),
        Err(_) => generated(&format!("{name}_"), of),
    }
}

/// `KeyValue` becomes `key_value`, `HTTPServer2` `http_server2`.
pub(crate) fn snake_case(name: &str) -> String {
    let letters: Vec<char> = name.chars().collect();
    let mut snake = String::new();
    for (at, letter) in letters.iter().enumerate() {
        if letter.is_uppercase() && at > 0 {
            let before = letters[at - 1];
            let next_is_lower = letters.get(at + 1).is_some_and(|next| next.is_lowercase());
            let begins_word = !before.is_uppercase() || next_is_lower;
            if before != '_' && begins_word {
                snake.push('_');
            }
        }
        snake.extend(letter.to_lowercase());
    }
    snake
}

/// `last_known_price` becomes `LastKnownPrice`.
pub(crate) fn pascal_case(name: &str) -> String {
    let capital = |word: &str| {
        let mut letters = word.chars();
        let first = letters.next().map(char::to_uppercase);
        first.into_iter().flatten().chain(letters).collect::<String>()
    };
    name.split('_').map(capital).collect()
}

/// Whether a service may have this name on the wire.
///
/// # Errors
/// What is wrong with it, and what was expected.
pub(crate) fn check_service_name(name: &str) -> Result<(), String> {
    let is_part = |part: &str| {
        !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
    };
    if !name.split('.').all(is_part) {
        return Err(format!(
            "{name:?} can't name a service: expected ASCII letters, digits and `_`, in parts \
             between dots, as in \"shop.Inventory\""
        ));
    }
    if name.len() > MAX_SERVICE_BYTES {
        return Err(format!(
            "a name of {} bytes is too long: expected at most {MAX_SERVICE_BYTES}",
            name.len()
        ));
    }
    Ok(())
}

/// Whether an entry of a call's metadata may have this name.
///
/// # Errors
/// What is wrong with it, and what was expected.
pub(crate) fn check_metadata_name(name: &str) -> Result<(), String> {
    let allowed = |byte: u8| {
        byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'-' | b'_' | b'.')
    };
    if name.is_empty() || name.len() > MAX_METADATA_NAME_BYTES || !name.bytes().all(allowed) {
        return Err(format!(
            "{name:?} can't name metadata: expected 1 to {MAX_METADATA_NAME_BYTES} of a-z, 0-9, \
             `-`, `_`, `.`, as in \"tenant\""
        ));
    }
    if name.starts_with(RESERVED_METADATA) {
        return Err(format!(
            "{name:?} can't name metadata: what begins with `{RESERVED_METADATA}` is kept for the \
             protocol"
        ));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn snake_case_of_a_trait() {
        for (name, snake) in [
            ("Inventory", "inventory"),
            ("KeyValue", "key_value"),
            ("HTTPServer", "http_server"),
            ("HTTPServer2", "http_server2"),
            ("Http2Server", "http2_server"),
            ("A", "a"),
            ("AB", "ab"),
            ("Already_Split", "already_split"),
            ("lower", "lower"),
        ] {
            assert_eq!(snake_case(name), snake);
        }
    }

    #[test]
    fn pascal_case_of_a_method() {
        for (name, pascal) in [
            ("price", "Price"),
            ("last_known_price", "LastKnownPrice"),
            ("fooBar", "FooBar"),
            ("_hidden", "Hidden"),
            ("v2", "V2"),
        ] {
            assert_eq!(pascal_case(name), pascal);
        }
    }

    #[test]
    fn a_module_never_is_a_keyword() {
        for (name, module_name) in [
            ("Dyn", "dyn_"),
            ("Crate", "crate_"),
            ("Super", "super_"),
            ("Type", "type_"),
            ("Shop", "shop"),
        ] {
            assert_eq!(module(&Ident::new(name, Span::call_site())), module_name);
        }
        assert_eq!(module(&Ident::new_raw("Shop", Span::call_site())), "shop");
    }

    #[test]
    fn names_on_the_wire() {
        let longest = "a".repeat(MAX_SERVICE_BYTES);
        for name in ["shop.Inventory", "Inventory", "a.b.c", "v1.x_y", "1", &longest] {
            assert_eq!(check_service_name(name), Ok(()));
        }
        let too_long = "a".repeat(MAX_SERVICE_BYTES + 1);
        for name in
            ["", ".", "a.", ".a", "a..b", "a/b", "a b", "a-b", "Größe", "shop:Inventory", &too_long]
        {
            let refusal = check_service_name(name).expect_err(name);
            assert!(refusal.contains("expected"), "{refusal}");
        }
    }
    #[test]
    fn names_of_metadata() {
        for name in ["tenant", "x-shard_7.eu", &"a".repeat(MAX_METADATA_NAME_BYTES)] {
            assert_eq!(check_metadata_name(name), Ok(()));
        }
        let too_long = "a".repeat(MAX_METADATA_NAME_BYTES + 1);
        for name in ["", "Tenant", "a b", "größe", "rpc-tenant", &too_long] {
            let refusal = check_metadata_name(name).expect_err(name);
            assert!(refusal.contains("can't name metadata"), "{refusal}");
        }
    }
}
