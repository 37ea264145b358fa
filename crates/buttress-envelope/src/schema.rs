//! What answers look like, for OpenAPI.

use std::{borrow::Cow, marker::PhantomData};

use serde_json::{Value, json};
use utoipa::{
    PartialSchema, ToSchema,
    openapi::{
        RefOr,
        schema::{Array, Object, ObjectBuilder, Schema, Type},
    },
};

use crate::{ApiError, Catalogue, Code};

type Schemas = Vec<(String, RefOr<Schema>)>;

/// The schema of a success with data of this type: `{"ok":true,"data":…}`.
///
/// Only a schema; bodies are wrapped by the layer. That of `T` is written out within it.
///
/// # Examples
///
/// ```
/// use buttress_envelope::{ApiError, FailureEnvelope, SuccessEnvelope};
/// use utoipa::openapi::ComponentsBuilder;
///
/// // What the derive macro `OpenApi` does of itself for the types that it is told.
/// let components = ComponentsBuilder::new()
///     .schema_from::<SuccessEnvelope<String>>()
///     .schema_from::<FailureEnvelope>()
///     .schema_from::<ApiError>()
///     .build();
/// assert!(components.schemas.contains_key("SuccessEnvelope_String"));
/// ```
#[derive(Debug)]
pub struct SuccessEnvelope<T>(PhantomData<fn() -> T>);

impl<T: ToSchema> PartialSchema for SuccessEnvelope<T> {
    fn schema() -> RefOr<Schema> {
        ObjectBuilder::new()
            .description(Some("An answer that succeeded."))
            .property("ok", constant(json!(true)))
            .required("ok")
            .property("data", T::schema())
            .required("data")
            .into()
    }
}

impl<T: ToSchema> ToSchema for SuccessEnvelope<T> {
    fn name() -> Cow<'static, str> {
        format!("SuccessEnvelope_{}", T::name()).into()
    }

    fn schemas(schemas: &mut Schemas) {
        T::schemas(schemas);
    }
}

/// The schema of a failure: `{"ok":false,"error":…}`.
#[derive(Debug)]
pub struct FailureEnvelope(());

impl PartialSchema for FailureEnvelope {
    fn schema() -> RefOr<Schema> {
        ObjectBuilder::new()
            .description(Some("An answer that failed."))
            .property("ok", constant(json!(false)))
            .required("ok")
            .property("error", named::<ApiError>())
            .required("error")
            .into()
    }
}

impl ToSchema for FailureEnvelope {
    fn schemas(schemas: &mut Schemas) {
        schemas.push((ApiError::name().into(), ApiError::schema()));
    }
}

/// The member `error` of a [`FailureEnvelope`].
impl PartialSchema for ApiError {
    fn schema() -> RefOr<Schema> {
        told(ObjectBuilder::new().description(Some("Why an answer failed."))).into()
    }
}

impl ToSchema for ApiError {}

/// The schema of a failure as `application/problem+json` (RFC 9457), with the members of an [`ApiError`] beside its own.
#[derive(Debug)]
pub struct ProblemDetails(());

impl PartialSchema for ProblemDetails {
    fn schema() -> RefOr<Schema> {
        let status = ObjectBuilder::new().schema_type(Type::Integer).minimum(Some(400)).maximum(Some(599));
        let details = ObjectBuilder::new()
            .description(Some("Why an answer failed, as RFC 9457 tells it."))
            .property("type", text("A URI that names the kind of problem."))
            .required("type")
            .property("title", text("The reason phrase of the status."))
            .required("title")
            .property("status", status.description(Some("The status of the answer.")))
            .required("status")
            .property("detail", text("The same as `message`."))
            .required("detail");
        told(details).into()
    }
}

impl ToSchema for ProblemDetails {}

/// An entry of the catalogue.
impl PartialSchema for Code {
    fn schema() -> RefOr<Schema> {
        let status = ObjectBuilder::new().schema_type(Type::Integer).minimum(Some(400)).maximum(Some(599));
        ObjectBuilder::new()
            .description(Some("A way to fail."))
            .property("code", code())
            .required("code")
            .property("status", status.description(Some("The status of such an answer.")))
            .required("status")
            .property("retryable", retryable())
            .required("retryable")
            .property("meaning", text("What it means, for people."))
            .required("meaning")
            .into()
    }
}

impl ToSchema for Code {}

/// The catalogue as [`Catalogue::to_json`] writes it: a list of [`Code`]s.
impl PartialSchema for Catalogue {
    fn schema() -> RefOr<Schema> {
        Array::new(named::<Code>()).into()
    }
}

impl ToSchema for Catalogue {
    fn schemas(schemas: &mut Schemas) {
        schemas.push((Code::name().into(), Code::schema()));
    }
}

impl Catalogue {
    /// A text that is one of these codes: what a server may narrow the member `code` of its failures to.
    #[must_use]
    pub fn code_schema(self) -> Schema {
        let meanings: String = self.iter().map(|code| format!("- `{}`: {}\n", code.code(), code.meaning())).collect();
        let codes = self.iter().map(|code| Value::from(code.code().as_str()));
        ObjectBuilder::new()
            .schema_type(Type::String)
            .description(Some(meanings.trim_end()))
            .enum_values(Some(codes))
            .into()
    }
}

/// The members that both forms of a failure have.
fn told(object: ObjectBuilder) -> ObjectBuilder {
    let id = ObjectBuilder::new().schema_type(Type::String).pattern(Some("^[A-Za-z0-9._-]{1,128}$"));
    object
        .property("code", code())
        .required("code")
        .property("message", text("What to tell a person; may change at any time."))
        .required("message")
        .property("details", utoipa::openapi::schema::empty())
        .property("retryable", retryable())
        .required("retryable")
        .property("correlationId", id.description(Some("The id of the request, as in the header x-correlation-id.")))
}

fn code() -> Object {
    let name = ObjectBuilder::new().schema_type(Type::String).pattern(Some("^[a-z][a-z0-9_]{0,62}$"));
    name.description(Some("The stable name that programs go by.")).build()
}

fn retryable() -> Object {
    let flag = ObjectBuilder::new().schema_type(Type::Boolean);
    flag.description(Some("Whether the same request may succeed later.")).build()
}

fn text(description: &str) -> Object {
    ObjectBuilder::new().schema_type(Type::String).description(Some(description)).build()
}

fn constant(value: Value) -> Object {
    ObjectBuilder::new().schema_type(Type::Boolean).enum_values(Some([value])).build()
}

fn named<T: ToSchema>() -> RefOr<Schema> {
    utoipa::openapi::Ref::from_schema_name(T::name()).into()
}
