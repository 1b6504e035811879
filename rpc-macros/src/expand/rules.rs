//! What a method's attribute says, as a constant; what it lets out is `rpc_core`'s default.
//!
//! ```text
//! .with_rules(__rules::Rules {
//!     timeout: Some(__rules::On(Duration::from_millis(200))),
//!     retry: Some(__rules::On(__rules::RetryRule { attempts: 3, ..__rules::RetryRule::DEFAULT })),
//!     ..__rules::Rules::NONE
//! })
//! ```

use std::time::Duration;

use proc_macro2::{Ident, Span, TokenStream};
use quote::quote;

use crate::model::{
    After, Breaker, Concurrency, Fallback, Hedge, Key, Limit, Retry, Rules, Setting, Variant,
    Window,
};

/// The rules, if the attribute has any.
pub(super) fn constant(rules: &Rules) -> Option<TokenStream> {
    let said: Vec<TokenStream> = [
        said("timeout", &rules.timeout, |timeout| duration(*timeout)),
        said("per_try", &rules.per_try, |timeout| duration(*timeout)),
        said("retry", &rules.retry, retry),
        said("hedge", &rules.hedge, hedge),
        said("limit", &rules.limit, limit),
        said("concurrency", &rules.concurrency, concurrency),
        said("breaker", &rules.breaker, breaker),
        said("fallback", &rules.fallback, fallback),
        said("optional", &rules.optional, |level| quote!(#level)),
        said("priority", &rules.priority, |priority| variant("Priority", priority)),
        said("dark", &rules.dark, |keys| dark(keys)),
    ]
    .into_iter()
    .flatten()
    .collect();
    (!said.is_empty()).then(|| quote!(__rules::Rules { #(#said,)* ..__rules::Rules::NONE }))
}

/// A key and its setting, if it is said.
fn said<T>(
    key: &str,
    setting: &Option<Setting<T>>,
    value: impl FnOnce(&T) -> TokenStream,
) -> Option<TokenStream> {
    let key = Ident::new(key, Span::mixed_site());
    let setting = match setting.as_ref()? {
        Setting::Off => quote!(__rules::Off),
        Setting::On(on) => {
            let on = value(on);
            quote!(__rules::On(#on))
        }
    };
    Some(quote!(#key: ::core::option::Option::Some(#setting)))
}

fn retry(retry: &Retry) -> TokenStream {
    let attempts = field("attempts", retry.attempts.map(|attempts| quote!(#attempts)));
    let backoff = field("backoff", retry.backoff.map(duration));
    let max_backoff = field("max_backoff", retry.max_backoff.map(duration));
    with_defaults("RetryRule", [attempts, backoff, max_backoff])
}

fn hedge(hedge: &Hedge) -> TokenStream {
    let after = hedge.after.map(|after| match after {
        After::Delay(delay) => {
            let delay = duration(delay);
            quote!(__rules::HedgeAfter::Delay(#delay))
        }
        After::Percentile(millionths) => {
            let percentile = share(millionths);
            quote!(__rules::HedgeAfter::Percentile(#percentile))
        }
    });
    let max = field("max", hedge.max.map(|max| quote!(#max)));
    with_defaults("HedgeRule", [field("after", after), max])
}

fn limit(limit: &Limit) -> TokenStream {
    let (permits, per) = (limit.rate.permits, duration(limit.rate.per));
    let burst = limit.burst.map(|burst| quote!(.with_burst(#burst)));
    let kind =
        limit.kind.map(|kind| variant("LimitKind", kind)).map(|kind| quote!(.with_kind(#kind)));
    let wait = limit.wait.map(duration).map(|wait| quote!(.with_wait(#wait)));
    let key = limit.key.as_ref().map(key).map(|key| quote!(.with_key(#key)));
    quote! {
        __rules::LimitRule::to(__rules::Rate { permits: #permits, per: #per }) #burst #kind #wait #key
    }
}

fn concurrency(concurrency: &Concurrency) -> TokenStream {
    match *concurrency {
        Concurrency::Adaptive => quote!(__rules::ConcurrencyRule::Adaptive),
        Concurrency::Fixed { max, queue, wait } => {
            let wait = duration(wait);
            quote!(__rules::ConcurrencyRule::Fixed { max: #max, queue: #queue, wait: #wait })
        }
    }
}

fn breaker(breaker: &Breaker) -> TokenStream {
    // Whoever says at what it opens says all of it: the default threshold would come on top.
    let failure_rate = match breaker.failure_rate {
        Some(millionths) => Some(some(share(millionths))),
        None if breaker.has_threshold() => Some(quote!(::core::option::Option::None)),
        None => None,
    };
    let window = breaker.window.map(|window| match window {
        Window::Time(time) => {
            let time = duration(time);
            quote!(__rules::Window::Time(#time))
        }
        Window::Calls(calls) => quote!(__rules::Window::Calls(#calls)),
    });
    let number = |number: Option<u32>| number.map(|number| quote!(#number));
    with_defaults(
        "BreakerRule",
        [
            field("kind", breaker.kind.map(|kind| variant("BreakerKind", kind))),
            field("failure_rate", failure_rate),
            field("slow_rate", breaker.slow_rate.map(share).map(some)),
            field("slow", breaker.slow.map(duration)),
            field("consecutive", number(breaker.consecutive).map(some)),
            field("window", window),
            field("min_calls", number(breaker.min_calls)),
            field("open", breaker.open.map(duration)),
            field("max_open", breaker.max_open.map(duration)),
            field("probes", number(breaker.probes)),
            field("key", breaker.key.as_ref().map(key).map(some)),
        ],
    )
}

fn fallback(fallback: &Fallback) -> TokenStream {
    match fallback {
        Fallback::Default(_) => quote!(__rules::FallbackRule::Default),
        Fallback::Function(_) => quote!(__rules::FallbackRule::Function),
        Fallback::LastGood { ttl, max, vary } => {
            let ttl = duration(*ttl);
            let max = match max {
                Some(max) => quote!(#max),
                None => quote!(__rules::FallbackRule::DEFAULT_MAX),
            };
            let vary = vary.iter().map(|name| borrowed(quote!(#name)));
            let vary = borrowed(quote!(&[#(#vary),*]));
            quote!(__rules::FallbackRule::LastGood { ttl: #ttl, max: #max, vary: #vary })
        }
    }
}

fn dark(keys: &[Variant]) -> TokenStream {
    let keys = keys.iter().map(|key| variant("RuleKey", key));
    quote!(__rules::Keys::NONE #(.with(#keys))*)
}

fn key(key: &Key) -> TokenStream {
    match key {
        Key::Caller => quote!(__rules::Key::Caller),
        Key::Metadata(name) => {
            let name = borrowed(quote!(#name));
            quote!(__rules::Key::Metadata(#name))
        }
    }
}

fn share(millionths: u32) -> TokenStream {
    if millionths.is_multiple_of(10_000) {
        let percent = millionths / 10_000;
        quote!(__rules::Share::from_percent(#percent))
    } else {
        quote!(__rules::Share::from_millionths(#millionths))
    }
}

fn variant(of: &str, name: &str) -> TokenStream {
    let (of, name) = (Ident::new(of, Span::mixed_site()), Ident::new(name, Span::mixed_site()));
    quote!(__rules::#of::#name)
}

fn borrowed(value: TokenStream) -> TokenStream {
    quote!(::std::borrow::Cow::Borrowed(#value))
}

fn some(value: TokenStream) -> TokenStream {
    quote!(::core::option::Option::Some(#value))
}

/// A field, if its value is said.
fn field(name: &str, value: Option<TokenStream>) -> Option<TokenStream> {
    let name = Ident::new(name, Span::mixed_site());
    value.map(|value| quote!(#name: #value))
}

/// A rule of these fields; those that are not said are its defaults.
fn with_defaults<const FIELDS: usize>(
    rule: &str,
    fields: [Option<TokenStream>; FIELDS],
) -> TokenStream {
    let rule = Ident::new(rule, Span::mixed_site());
    let said: Vec<TokenStream> = fields.into_iter().flatten().collect();
    match said.len() {
        0 => quote!(__rules::#rule::DEFAULT),
        all if all == FIELDS => quote!(__rules::#rule { #(#said),* }),
        _ => quote!(__rules::#rule { #(#said,)* ..__rules::#rule::DEFAULT }),
    }
}

/// The constructor that shows a duration best.
fn duration(duration: Duration) -> TokenStream {
    let nanos = u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX);
    let duration = quote!(::core::time::Duration);
    let count = |unit: u64| nanos.is_multiple_of(unit).then(|| nanos / unit);
    if let Some(secs) = count(1_000_000_000) {
        quote!(#duration::from_secs(#secs))
    } else if let Some(millis) = count(1_000_000) {
        quote!(#duration::from_millis(#millis))
    } else {
        quote!(#duration::from_nanos(#nanos))
    }
}
