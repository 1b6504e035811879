//! Types of arguments and answers: which of them can't travel, seen from their tokens alone.
//!
//! What a name stands for is not known here; an alias gets the benefit of the doubt, and the
//! traits that `rpc_core` asks for have the last word.

use quote::ToTokens;
use syn::visit::{self, Visit};
use syn::{
    GenericArgument, Lifetime, PathArguments, PathSegment, ReturnType, Signature, Type, TypeFnPtr,
    TypeImplTrait, TypeInfer, TypePath, TypePtr, TypeReference, TypeTraitObject,
};

use crate::mistakes::Mistakes;

/// Names that can't be an alias of a `Result`.
const NO_RESULTS: [&str; 24] = [
    "bool", "char", "f32", "f64", "i8", "i16", "i32", "i64", "i128", "isize", "u8", "u16", "u32",
    "u64", "u128", "usize", "str", "String", "Option", "Vec", "Box", "HashMap", "BTreeMap",
    "Status",
];

/// Refuses an argument's type if it can't travel.
pub(crate) fn check_argument(ty: &Type, mistakes: &mut Mistakes) {
    match ty {
        Type::Slice(slice) => {
            let owned = format!("Vec<{}>", show(&slice.elem));
            mistakes.add(ty, format!("take `{owned}` instead of `{}`: it has no size", show(ty)));
        }
        ty => Travels { verb: "take", mistakes }.visit_type(ty),
    }
}

/// Refuses a return type that is no `Result`, or holds what can't travel; returns it otherwise.
pub(crate) fn check_output<'a>(sig: &'a Signature, mistakes: &mut Mistakes) -> Option<&'a Type> {
    let ReturnType::Type(_, output) = &sig.output else {
        mistakes.add(&sig.ident, "return `Result<(), Status>`: a call can fail on its way");
        return None;
    };
    if !may_be_result(output) {
        let answer = match &**output {
            Type::ImplTrait(_) | Type::Reference(_) | Type::Slice(_) => "..".to_owned(),
            plain => show(plain),
        };
        let answer = if answer == "Status" { "()".to_owned() } else { answer };
        mistakes
            .add(output, format!("return `Result<{answer}, Status>`: a call can fail on its way"));
        return None;
    }
    if let Some(error) = error_of(output).filter(|error| !may_be_error(error)) {
        mistakes.add(
            error,
            "fail with `Status`, or with `rpc_core::Error<E>` where `E` is an `AppError` of yours: \
             a call can fail on its way",
        );
        return None;
    }
    Travels { verb: "return", mistakes }.visit_type(output);
    Some(output)
}

/// Whether it ends in `Result<(), ..>`.
pub(crate) fn is_result_of_nothing(output: &Type) -> bool {
    let Some(last) = last_segment(output) else { return false };
    let PathArguments::AngleBracketed(args) = &last.arguments else { return false };
    let first = args.args.first();
    let is_unit =
        matches!(first, Some(GenericArgument::Type(Type::Tuple(unit))) if unit.elems.is_empty());
    last.ident == "Result" && is_unit
}

fn may_be_result(output: &Type) -> bool {
    last_segment(output).is_some_and(|last| !NO_RESULTS.iter().any(|name| last.ident == name))
}

/// The `E` of a `Result<T, E>`.
fn error_of(output: &Type) -> Option<&Type> {
    let last = last_segment(output).filter(|last| last.ident == "Result")?;
    let PathArguments::AngleBracketed(args) = &last.arguments else { return None };
    match args.args.iter().nth(1)? {
        GenericArgument::Type(error) => Some(error),
        _ => None,
    }
}

fn may_be_error(error: &Type) -> bool {
    last_segment(error).is_some_and(|last| last.ident == "Status" || may_be_result(error))
}

/// The `Result<..>` of `std::result::Result<..>`.
fn last_segment(ty: &Type) -> Option<&PathSegment> {
    match ty {
        Type::Path(path) => path.path.segments.last(),
        Type::Group(group) => last_segment(&group.elem),
        Type::Paren(paren) => last_segment(&paren.elem),
        _ => None,
    }
}

/// Looks for what can't travel, however deep in a type.
struct Travels<'a> {
    /// What a method does with the type: `take` or `return`.
    verb: &'static str,
    mistakes: &'a mut Mistakes,
}

impl Travels<'_> {
    fn refuse(&mut self, tokens: impl ToTokens, instead: &str, why: &str) {
        self.mistakes.add(tokens, format!("{} {instead}: {why}", self.verb));
    }
}

impl<'ast> Visit<'ast> for Travels<'_> {
    fn visit_type_reference(&mut self, reference: &'ast TypeReference) {
        let owned = match &*reference.elem {
            Type::Path(path) if path.path.is_ident("str") => "String".to_owned(),
            Type::Slice(slice) => format!("Vec<{}>", show(&slice.elem)),
            Type::TraitObject(_) | Type::ImplTrait(_) => return self.visit_type(&reference.elem),
            plain => show(plain),
        };
        let instead = format!("`{owned}` instead of `{}`", show(reference));
        match reference.mutability {
            Some(_) => self.refuse(reference, &instead, "what changes here does not change there"),
            None => self.refuse(reference, &instead, "what travels is owned where it arrives"),
        }
    }

    fn visit_type_impl_trait(&mut self, ty: &'ast TypeImplTrait) {
        self.refuse(ty, "a type by name", "what arrives is decoded into one type");
    }

    fn visit_type_trait_object(&mut self, ty: &'ast TypeTraitObject) {
        self.refuse(ty, "a type by name", "what arrives is decoded into one type");
    }

    fn visit_type_infer(&mut self, ty: &'ast TypeInfer) {
        self.refuse(ty, "a type by name", "what arrives is decoded into it");
    }

    fn visit_type_fn_ptr(&mut self, ty: &'ast TypeFnPtr) {
        self.refuse(ty, "plain data", "a function can't travel");
    }

    fn visit_type_ptr(&mut self, ty: &'ast TypePtr) {
        self.refuse(ty, "plain data", "an address means nothing elsewhere");
    }

    fn visit_type_path(&mut self, ty: &'ast TypePath) {
        let segments = &ty.path.segments;
        if segments.first().is_some_and(|first| first.ident == "Self") {
            let why = "`Self` is another type on the client than on the server";
            return self.refuse(ty, "a type by name", why);
        }
        if segments.last().is_some_and(|last| last.ident == "Streaming") {
            let why = "streams are not there yet";
            return self.refuse(ty, "a `Vec`, page by page if it is long", why);
        }
        visit::visit_type_path(self, ty);
    }

    fn visit_lifetime(&mut self, lifetime: &'ast Lifetime) {
        if lifetime.ident != "static" {
            let why = "what travels is owned where it arrives";
            self.refuse(lifetime, "a type without lifetimes", why);
        }
    }
}

/// A type or a bound as people write it, or nearly.
pub(crate) fn show(ty: &impl ToTokens) -> String {
    let spaced = ty.to_token_stream().to_string();
    [
        (" < ", "<"),
        ("< ", "<"),
        (" >", ">"),
        (" ::", "::"),
        (":: ", "::"),
        (" ,", ","),
        ("& ", "&"),
        ("[ ", "["),
        (" ]", "]"),
        (" ;", ";"),
        ("( ", "("),
        (" )", ")"),
    ]
    .iter()
    .fold(spaced, |text, (from, to)| text.replace(from, to))
}

#[cfg(test)]
mod tests {
    use syn::parse_quote;

    use super::*;

    fn refusals(check: impl FnOnce(&mut Mistakes)) -> Vec<String> {
        let mut mistakes = Mistakes::default();
        check(&mut mistakes);
        mistakes.messages()
    }

    #[test]
    fn plain_arguments_travel() {
        for ty in [
            parse_quote!(u64),
            parse_quote!(String),
            parse_quote!(Vec<Option<shop::Article>>),
            parse_quote!((u8, [u16; 4])),
            parse_quote!(Box<str>),
            parse_quote!(Box<[u8]>),
            parse_quote!(Cow<'static, str>),
            parse_quote!(<Shop as Catalogue>::Article),
        ] {
            let ty: Type = ty;
            assert_eq!(refusals(|m| check_argument(&ty, m)), [""; 0], "{}", show(&ty));
        }
    }

    #[test]
    fn refusals_of_arguments_say_what_to_take() {
        for (ty, message) in [
            (
                parse_quote!(&str),
                "take `String` instead of `&str`: what travels is owned where it arrives",
            ),
            (
                parse_quote!(&[Vec<u8>]),
                "take `Vec<Vec<u8>>` instead of `&[Vec<u8>]`: what travels is owned where it arrives",
            ),
            (
                parse_quote!(Option<&shop::Article>),
                "take `shop::Article` instead of `&shop::Article`: what travels is owned where it arrives",
            ),
            (
                parse_quote!(&mut u64),
                "take `u64` instead of `&mut u64`: what changes here does not change there",
            ),
            (parse_quote!([u8]), "take `Vec<u8>` instead of `[u8]`: it has no size"),
            (
                parse_quote!(impl Into<String>),
                "take a type by name: what arrives is decoded into one type",
            ),
            (
                parse_quote!(Box<dyn Article>),
                "take a type by name: what arrives is decoded into one type",
            ),
            (
                parse_quote!(&dyn Article),
                "take a type by name: what arrives is decoded into one type",
            ),
            (parse_quote!(Vec<_>), "take a type by name: what arrives is decoded into it"),
            (parse_quote!(fn(u8) -> u8), "take plain data: a function can't travel"),
            (parse_quote!(*const u8), "take plain data: an address means nothing elsewhere"),
            (
                parse_quote!(Vec<Self>),
                "take a type by name: `Self` is another type on the client than on the server",
            ),
            (
                parse_quote!(rpc_core::Streaming<u8>),
                "take a `Vec`, page by page if it is long: streams are not there yet",
            ),
            (
                parse_quote!(Cow<'a, str>),
                "take a type without lifetimes: what travels is owned where it arrives",
            ),
        ] {
            let ty: Type = ty;
            assert_eq!(refusals(|m| check_argument(&ty, m)), [message]);
        }
    }

    #[test]
    fn results_and_aliases_are_returned() {
        for sig in [
            parse_quote!(fn f() -> Result<u64, Status>),
            parse_quote!(fn f() -> Result<Vec<String>, rpc_core::Error<Refusal>>),
            parse_quote!(fn f() -> ::std::result::Result<(), Status>),
            parse_quote!(fn f() -> Answer),
            parse_quote!(fn f() -> shop::Answer<u64>),
        ] {
            let sig: Signature = sig;
            assert_eq!(refusals(|m| assert!(check_output(&sig, m).is_some())), [""; 0]);
        }
    }

    #[test]
    fn refusals_of_answers_say_what_to_return() {
        let fails = ": a call can fail on its way";
        for (sig, message) in [
            (parse_quote!(fn f()), format!("return `Result<(), Status>`{fails}")),
            (parse_quote!(fn f() -> u64), format!("return `Result<u64, Status>`{fails}")),
            (parse_quote!(fn f() -> ()), format!("return `Result<(), Status>`{fails}")),
            (
                parse_quote!(fn f() -> std::string::String),
                format!("return `Result<std::string::String, Status>`{fails}"),
            ),
            (
                parse_quote!(fn f() -> Option<Vec<u8>>),
                format!("return `Result<Option<Vec<u8>>, Status>`{fails}"),
            ),
            (
                parse_quote!(fn f() -> (u8, u16)),
                format!("return `Result<(u8, u16), Status>`{fails}"),
            ),
            (parse_quote!(fn f() -> [u8; 4]), format!("return `Result<[u8; 4], Status>`{fails}")),
            (parse_quote!(fn f() -> &u64), format!("return `Result<.., Status>`{fails}")),
            (
                parse_quote!(fn f() -> impl Future<Output = u64>),
                format!("return `Result<.., Status>`{fails}"),
            ),
            (parse_quote!(fn f() -> Status), format!("return `Result<(), Status>`{fails}")),
        ] {
            let sig: Signature = sig;
            assert_eq!(refusals(|m| assert!(check_output(&sig, m).is_none())), [message]);
        }
        for sig in [
            parse_quote!(fn f() -> Result<u64, String>),
            parse_quote!(fn f() -> Result<u64, ()>),
            parse_quote!(fn f() -> Result<u64, &str>),
            parse_quote!(fn f() -> Result<u64, Box<dyn std::error::Error>>),
        ] {
            let sig: Signature = sig;
            let message = "fail with `Status`, or with `rpc_core::Error<E>` where `E` is an \
                           `AppError` of yours: a call can fail on its way";
            assert_eq!(refusals(|m| assert!(check_output(&sig, m).is_none())), [message]);
        }
        let sig: Signature = parse_quote!(fn f() -> Result<&str, Status>);
        let message = "return `String` instead of `&str`: what travels is owned where it arrives";
        assert_eq!(refusals(|m| _ = check_output(&sig, m)), [message]);
    }

    #[test]
    fn nothing_in_a_result() {
        for (ty, is_nothing) in [
            (parse_quote!(Result<(), Status>), true),
            (parse_quote!(std::result::Result<(), Status>), true),
            (parse_quote!(io::Result<()>), true),
            (parse_quote!(Result<u64, Status>), false),
            (parse_quote!(Result<((),), Status>), false),
            (parse_quote!(Result), false),
            (parse_quote!(Answer<()>), false),
            (parse_quote!(()), false),
        ] {
            let ty: Type = ty;
            assert_eq!(is_result_of_nothing(&ty), is_nothing, "{}", show(&ty));
        }
    }
}
