//! Values that go into statements. A [`Param`] borrows and is what every statement takes; [`params!`](crate::params)
//! makes a slice of them from plain Rust values, and a [`Value`] owns one where SQL is built at run time (search
//! filters).
//!
//! A null carries its [`Kind`], because PostgreSQL types its parameters: `$1 IS NULL OR name = $1` must mean the same
//! on both back ends.

use lazuli_spec::Timestamp;
use serde::{Deserialize, Serialize};

/// The four column types that the portable schema uses: `BIGINT`, `DOUBLE PRECISION`, `TEXT`, `BYTEA`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// 64-bit signed integer; also booleans (0, 1) and timestamps (microseconds).
    Integer,
    /// 64-bit float, NaN and infinities included.
    Real,
    /// UTF-8 text without NUL.
    Text,
    /// Bytes.
    Blob,
}

/// One borrowed statement parameter.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Param<'a> {
    /// SQL NULL of a known type.
    Null(Kind),
    /// A `BIGINT`.
    Integer(i64),
    /// A `DOUBLE PRECISION`.
    Real(f64),
    /// A `TEXT`.
    Text(&'a str),
    /// A `BYTEA`.
    Blob(&'a [u8]),
}

impl Param<'_> {
    /// The column type that this parameter belongs to.
    pub fn kind(&self) -> Kind {
        match self {
            Param::Null(kind) => *kind,
            Param::Integer(_) => Kind::Integer,
            Param::Real(_) => Kind::Real,
            Param::Text(_) => Kind::Text,
            Param::Blob(_) => Kind::Blob,
        }
    }
}

/// Anything that can stand in [`params!`](crate::params).
pub trait ToParam {
    /// The value as a parameter.
    fn to_param(&self) -> Param<'_>;
}

/// A [`ToParam`] whose type alone says the column type, so that `None` of it has one too.
pub trait Typed: ToParam {
    /// The column type.
    const KIND: Kind;
}

macro_rules! typed {
    ($($type:ty => $kind:ident, |$value:ident| $param:expr;)*) => {$(
        impl ToParam for $type {
            fn to_param(&self) -> Param<'_> {
                let $value = self;
                $param
            }
        }
        impl Typed for $type {
            const KIND: Kind = Kind::$kind;
        }
    )*};
}

typed! {
    i64 => Integer, |v| Param::Integer(*v);
    i32 => Integer, |v| Param::Integer(i64::from(*v));
    u32 => Integer, |v| Param::Integer(i64::from(*v));
    bool => Integer, |v| Param::Integer(i64::from(*v));
    Timestamp => Integer, |v| Param::Integer(v.0);
    f64 => Real, |v| Param::Real(*v);
    str => Text, |v| Param::Text(v);
    String => Text, |v| Param::Text(v);
    [u8] => Blob, |v| Param::Blob(v);
    Vec<u8> => Blob, |v| Param::Blob(v);
}

impl<T: ToParam + ?Sized> ToParam for &T {
    fn to_param(&self) -> Param<'_> {
        (**self).to_param()
    }
}

impl<T: Typed + ?Sized> Typed for &T {
    const KIND: Kind = T::KIND;
}

impl<T: Typed> ToParam for Option<T> {
    fn to_param(&self) -> Param<'_> {
        self.as_ref()
            .map_or(Param::Null(T::KIND), ToParam::to_param)
    }
}

/// One owned statement parameter, for SQL that is put together at run time.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    /// SQL NULL of a known type.
    Null(Kind),
    /// A `BIGINT`.
    Integer(i64),
    /// A `DOUBLE PRECISION`.
    Real(f64),
    /// A `TEXT`.
    Text(String),
    /// A `BYTEA`.
    Blob(Vec<u8>),
}

impl ToParam for Value {
    fn to_param(&self) -> Param<'_> {
        match self {
            Value::Null(kind) => Param::Null(*kind),
            Value::Integer(v) => Param::Integer(*v),
            Value::Real(v) => Param::Real(*v),
            Value::Text(v) => Param::Text(v),
            Value::Blob(v) => Param::Blob(v),
        }
    }
}

impl From<Param<'_>> for Value {
    fn from(param: Param<'_>) -> Self {
        match param {
            Param::Null(kind) => Value::Null(kind),
            Param::Integer(v) => Value::Integer(v),
            Param::Real(v) => Value::Real(v),
            Param::Text(v) => Value::Text(v.to_owned()),
            Param::Blob(v) => Value::Blob(v.to_owned()),
        }
    }
}

macro_rules! value_from {
    ($($type:ty),*) => {$(
        impl From<$type> for Value {
            fn from(value: $type) -> Self {
                ToParam::to_param(&value).into()
            }
        }
    )*};
}

value_from!(i64, i32, u32, bool, f64, &str, String, Vec<u8>, Timestamp);

/// Borrows owned values as the slice that a statement takes: `tx.query(&sql, &as_params(&values), ..)`.
pub fn as_params(values: &[Value]) -> Vec<Param<'_>> {
    values.iter().map(ToParam::to_param).collect()
}

/// Statement parameters from plain values: `tx.execute("…$1, $2", params![name, 7_i64])`.
#[macro_export]
macro_rules! params {
    () => { &[] as &[$crate::Param<'_>] };
    ($($value:expr),+ $(,)?) => { &[$($crate::ToParam::to_param(&$value)),+] as &[$crate::Param<'_>] };
}
