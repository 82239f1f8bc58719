//! Any value against any schema.

use kitaru_llm::schema::Schema;
use serde_json::Value;

use crate::parts::{text, texts};

/// Reading and checking end soon (the fuzzer's time limit is the bound), on the stack that a thread has, with the same verdict each time; what
/// is told is short, whatever the value; and a value that fits one schema fits it as part of another.
pub(crate) fn any_schema_and_value(data: &[u8]) {
    let texts = texts(data);
    let [Ok(document), Ok(value)] = [0, 1].map(|at| serde_json::from_str::<Value>(text(&texts, at))) else { return };
    let schema = match Schema::new(&document) {
        Ok(schema) => schema,
        Err(error) => return assert!(!error.to_string().is_empty()),
    };
    let verdict = schema.check(&value);
    assert_eq!(schema.check(&value), verdict);
    assert_eq!(Schema::new(&document).expect("it could be read before").check(&value), verdict);
    if let Err(misfit) = &verdict {
        let path = value.to_string().len();
        assert!(misfit.to_string().len() <= 3 * (1_100 + path), "{} bytes", misfit.to_string().len());
    }
}
