//! The models (`generation-config`) that the provider offers.

use std::sync::LazyLock;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Model {
    pub(crate) name: String,
    pub(crate) label: Option<String>,
    #[serde(rename = "type")]
    pub(crate) kind: String,
    pub(crate) source: String,
    pub(crate) params: Map<String, Value>,
}

#[derive(Deserialize)]
struct Page {
    items: Vec<Model>,
}

static MODELS: LazyLock<Vec<Model>> = LazyLock::new(|| {
    let page: Page = serde_json::from_str(include_str!("models.json")).expect("models.json is a page of models");
    page.items
});

pub(crate) fn all() -> &'static [Model] {
    &MODELS
}

pub(crate) fn find(name: &str) -> Option<&'static Model> {
    all().iter().find(|model| model.name == name)
}

impl Model {
    pub(crate) fn needs_vip(&self) -> bool {
        self.params.get("vip_required") == Some(&Value::Bool(true))
    }

    /// Credits for one file of so many seconds.
    pub(crate) fn price(&self, seconds: f64) -> f64 {
        let number = |key| self.params.get(key).and_then(Value::as_f64);
        number("price").or_else(|| Some(number("price_per_second")? * seconds)).unwrap_or(0.0)
    }

    /// Whether it can make so many seconds; a model without a list of durations can make any.
    pub(crate) fn offers(&self, seconds: f64) -> bool {
        let Some(Value::Array(durations)) = self.params.get("available_durations") else {
            return true;
        };
        durations.iter().any(|one| one.as_f64() == Some(seconds))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_are_twenty_one_in_descending_order_of_name() {
        assert_eq!(all().len(), 21);
        assert!(all().is_sorted_by(|a, b| a.name > b.name));
    }

    #[test]
    fn a_price_is_per_image_or_per_second() {
        assert_eq!(find("comfyui/flux").unwrap().price(5.0), 1.0);
        assert_eq!(find("comfyui/ltx").unwrap().price(5.0), 2.0);
    }
}
