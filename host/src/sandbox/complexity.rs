//! What a component may cost to compile. Cranelift works on a function as a whole, so that one of a few megabytes takes gigabytes of memory, and
//! one of deeply nested blocks takes minutes; and what wasmtime keeps of a component within components grows with the square of their depth. All
//! of these are files small enough to be sent by mail.

use wasmparser::{FunctionBody, Operator, Parser, Payload};

use super::error::ComponentError;

/// The longest body of a function, in bytes. The longest ones known, the interpreter loops of CPython and SpiderMonkey, have less than half of it.
const LONGEST_FUNCTION: usize = 512 * 1024;
/// Blocks within one another. What compilers make of a large `switch` has some thousands.
const DEEPEST_BLOCKS: usize = 10_000;
/// Blocks of one function: compiling takes time with their square.
const MOST_BLOCKS: usize = 25_000;
/// Components and modules within one another. Composed components are a few deep.
const DEEPEST_PARTS: usize = 50;
/// Components and modules of one component. Those of an interpreted language have some dozens.
const MOST_PARTS: usize = 2_000;

/// Checks that compiling a component takes memory and time in proportion to its size, about.
///
/// # Errors
/// With the first function that would not.
pub(super) fn check(component: &[u8]) -> Result<(), ComponentError> {
    let (mut parts, mut depth) = (0_usize, 0_usize);
    for payload in Parser::new(0).parse_all(component) {
        match payload {
            Ok(Payload::CodeSectionEntry(body)) => check_function(&body)?,
            Ok(Payload::ComponentSection { .. } | Payload::ModuleSection { .. }) => {
                (parts, depth) = (parts + 1, depth + 1);
                if depth > DEEPEST_PARTS {
                    let message = format!("it nests components more than {DEEPEST_PARTS} deep");
                    return Err(ComponentError::TooComplex(message));
                }
                if parts > MOST_PARTS {
                    let message = format!("it has more than {MOST_PARTS} components and modules");
                    return Err(ComponentError::TooComplex(message));
                }
            }
            Ok(Payload::End(_)) => depth = depth.saturating_sub(1),
            Ok(_) => {}
            // The compiler refuses it as well, and says more about it.
            Err(_) => return Ok(()),
        }
    }
    Ok(())
}

fn check_function(body: &FunctionBody<'_>) -> Result<(), ComponentError> {
    let bytes = body.range().len();
    if bytes > LONGEST_FUNCTION {
        return Err(ComponentError::TooComplex(format!(
            "one of its functions has {bytes} bytes, and {LONGEST_FUNCTION} are allowed"
        )));
    }
    let (blocks, deepest) = blocks(body);
    if deepest > DEEPEST_BLOCKS {
        return Err(ComponentError::TooComplex(format!("one of its functions nests more than {DEEPEST_BLOCKS} blocks")));
    }
    if blocks > MOST_BLOCKS {
        return Err(ComponentError::TooComplex(format!("one of its functions has more than {MOST_BLOCKS} blocks")));
    }
    Ok(())
}

/// How many blocks a function has, and how many of them are within one another at most; as far as it can be read.
fn blocks(body: &FunctionBody<'_>) -> (usize, usize) {
    // A block takes two bytes at least, so there is nothing to count in most functions.
    if body.range().len() <= 2 * DEEPEST_BLOCKS {
        return (0, 0);
    }
    let Ok(mut operators) = body.get_operators_reader() else { return (0, 0) };
    let (mut blocks, mut depth, mut deepest) = (0_usize, 0_usize, 0);
    while !operators.eof() {
        match operators.read() {
            Ok(Operator::Block { .. } | Operator::Loop { .. } | Operator::If { .. } | Operator::TryTable { .. }) => {
                (blocks, depth) = (blocks + 1, depth + 1);
                deepest = deepest.max(depth);
            }
            Ok(Operator::End) => depth = depth.saturating_sub(1),
            Ok(_) => {}
            Err(_) => break,
        }
    }
    (blocks, deepest)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(function: &str) -> Option<String> {
        let component = wat::parse_str(format!("(component (core module {function}))")).unwrap();
        check(&component).err().map(|error| error.to_string())
    }

    #[test]
    fn what_is_large_or_deep_is_refused() {
        let nested = |depth: usize| format!("(func {} {})", "block ".repeat(depth), "end ".repeat(depth));
        assert_eq!(refused(&nested(DEEPEST_BLOCKS)), None);
        assert!(refused(&nested(DEEPEST_BLOCKS + 1)).unwrap().contains("nests more than"));
        let beside = |blocks: usize| format!("(func {})", "block end ".repeat(blocks));
        assert_eq!(refused(&beside(MOST_BLOCKS)), None);
        assert!(refused(&beside(MOST_BLOCKS + 1)).unwrap().contains("more than 25000 blocks"));
        let long = |bytes: usize| format!("(func {})", "nop ".repeat(bytes));
        assert_eq!(refused(&long(LONGEST_FUNCTION - 16)), None);
        assert!(refused(&long(LONGEST_FUNCTION)).unwrap().contains("bytes"));
        let parts =
            |text: String| check(&wat::parse_str(format!("(component {text})")).unwrap()).err().map(|error| error.to_string());
        let within = |depth: usize| format!("{}{}", "(component ".repeat(depth), ")".repeat(depth));
        assert_eq!(parts(within(DEEPEST_PARTS)), None);
        assert!(parts(within(DEEPEST_PARTS + 1)).unwrap().contains("deep"));
        assert_eq!(parts("(core module) (component)".repeat(MOST_PARTS / 2)), None, "beside one another they are not deep");
        assert!(parts("(core module)".repeat(MOST_PARTS + 1)).unwrap().contains("components and modules"));
        assert!(check(b"not WebAssembly").is_ok(), "others tell");
    }
}
