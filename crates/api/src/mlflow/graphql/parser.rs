//! GraphQL's grammar of operations and fragments, by recursive descent. How deep a document may nest is bounded, so that
//! none exhausts the stack.

use super::document::{
    Directive, Document, Field, Fragment, Kind, Literal, Operation, Selection, TypeRef, Variable,
};
use super::lexer::{Token, tokens, wrong};

/// Most tokens of a document.
const TOKENS: usize = 15_000;

/// How deep selections and values may nest in the text; the limit on what is answered is lower.
const NESTING: usize = 64;

type Parsed<T> = Result<T, String>;

/// Reads a document.
pub(super) fn parse(text: &str) -> Parsed<Document> {
    let mut parser = Parser {
        tokens: tokens(text, TOKENS)?,
        at: 0,
        depth: 0,
    };
    let mut document = Document::default();
    loop {
        parser.definition(&mut document)?;
        if *parser.peek() == Token::End {
            return Ok(document);
        }
    }
}

struct Parser {
    tokens: Vec<Token>,
    at: usize,
    depth: usize,
}

impl Parser {
    fn peek(&self) -> &Token {
        self.tokens.get(self.at).unwrap_or(&Token::End)
    }

    fn next(&mut self) -> Token {
        let token = self.peek().clone();
        self.at += 1;
        token
    }

    /// Whether this mark is next; if so it is taken.
    fn took(&mut self, mark: char) -> bool {
        let here = *self.peek() == Token::Mark(mark);
        if here {
            self.at += 1;
        }
        here
    }

    fn expect(&mut self, mark: char) -> Parsed<()> {
        if self.took(mark) {
            return Ok(());
        }
        let found = self.peek();
        Err(wrong(format_args!("Expected '{mark}', found {found}")))
    }

    fn unexpected<T>(&self) -> Parsed<T> {
        Err(wrong(format_args!("Unexpected {}", self.peek())))
    }

    fn name(&mut self) -> Parsed<String> {
        match self.peek() {
            Token::Name(name) => {
                let name = name.clone();
                self.at += 1;
                Ok(name)
            }
            found => Err(wrong(format_args!("Expected Name, found {found}"))),
        }
    }

    /// What is read inside of something else.
    fn deeper<T>(&mut self, read: impl FnOnce(&mut Self) -> Parsed<T>) -> Parsed<T> {
        if self.depth == NESTING {
            return Err(wrong(format_args!(
                "the document nests more than {NESTING} levels deep"
            )));
        }
        self.depth += 1;
        let found = read(self);
        self.depth -= 1;
        found
    }

    /// One or more between two marks.
    fn many<T>(
        &mut self,
        (open, close): (char, char),
        one: impl Fn(&mut Self) -> Parsed<T>,
    ) -> Parsed<Vec<T>> {
        self.expect(open)?;
        let mut found = vec![one(self)?];
        while !self.took(close) {
            found.push(one(self)?);
        }
        Ok(found)
    }

    fn definition(&mut self, document: &mut Document) -> Parsed<()> {
        let keyword = match self.peek() {
            Token::Mark('{') => String::new(),
            Token::Name(name) => name.clone(),
            _ => return self.unexpected(),
        };
        let kind = match keyword.as_str() {
            "" => {
                document.operations.push(Operation {
                    kind: Kind::Query,
                    name: None,
                    variables: Vec::new(),
                    directives: Vec::new(),
                    selections: self.selections()?,
                });
                return Ok(());
            }
            "fragment" => {
                let fragment = self.fragment()?;
                document.add_fragment(fragment);
                return Ok(());
            }
            "query" => Kind::Query,
            "mutation" => Kind::Mutation,
            "subscription" => Kind::Subscription,
            _ => return self.unexpected(),
        };
        let operation = self.operation(kind)?;
        document.operations.push(operation);
        Ok(())
    }

    fn operation(&mut self, kind: Kind) -> Parsed<Operation> {
        self.next();
        let name = match self.peek() {
            Token::Name(_) => Some(self.name()?),
            _ => None,
        };
        let variables = match self.peek() {
            Token::Mark('(') => self.many(('(', ')'), Self::variable)?,
            _ => Vec::new(),
        };
        Ok(Operation {
            kind,
            name,
            variables,
            directives: self.directives(false)?,
            selections: self.selections()?,
        })
    }

    fn fragment(&mut self) -> Parsed<Fragment> {
        self.next();
        if matches!(self.peek(), Token::Name(name) if name == "on") {
            return self.unexpected();
        }
        let name = self.name()?;
        match self.next() {
            Token::Name(on) if on == "on" => {}
            found => return Err(wrong(format_args!("Expected 'on', found {found}"))),
        }
        Ok(Fragment {
            name,
            on: self.name()?,
            directives: self.directives(false)?,
            selections: self.selections()?,
        })
    }

    fn variable(&mut self) -> Parsed<Variable> {
        self.expect('$')?;
        let name = self.name()?;
        self.expect(':')?;
        let of = self.deeper(Self::type_ref)?;
        let default = if self.took('=') {
            Some(self.deeper(|parser| parser.value(true))?)
        } else {
            None
        };
        self.directives(true)?;
        Ok(Variable { name, of, default })
    }

    fn type_ref(&mut self) -> Parsed<TypeRef> {
        let found = if self.took('[') {
            let of = self.deeper(Self::type_ref)?;
            self.expect(']')?;
            TypeRef::List(Box::new(of))
        } else {
            TypeRef::Named(self.name()?)
        };
        Ok(if self.took('!') {
            TypeRef::NonNull(Box::new(found))
        } else {
            found
        })
    }

    fn selections(&mut self) -> Parsed<Vec<Selection>> {
        self.deeper(|parser| parser.many(('{', '}'), Self::selection))
    }

    fn selection(&mut self) -> Parsed<Selection> {
        if *self.peek() != Token::Spread {
            return Ok(Selection::Field(self.field()?));
        }
        self.next();
        let on = match self.peek() {
            Token::Name(name) if name == "on" => {
                self.next();
                Some(self.name()?)
            }
            Token::Name(_) => {
                return Ok(Selection::Spread {
                    name: self.name()?,
                    directives: self.directives(false)?,
                });
            }
            _ => None,
        };
        Ok(Selection::Inline {
            on,
            directives: self.directives(false)?,
            selections: self.selections()?,
        })
    }

    fn field(&mut self) -> Parsed<Field> {
        let first = self.name()?;
        let (alias, name) = if self.took(':') {
            (Some(first), self.name()?)
        } else {
            (None, first)
        };
        Ok(Field {
            alias,
            name,
            arguments: self.arguments(false)?,
            directives: self.directives(false)?,
            selections: match self.peek() {
                Token::Mark('{') => self.selections()?,
                _ => Vec::new(),
            },
        })
    }

    fn arguments(&mut self, constant: bool) -> Parsed<Vec<(String, Literal)>> {
        match self.peek() {
            Token::Mark('(') => self.many(('(', ')'), |parser| parser.named_value(constant)),
            _ => Ok(Vec::new()),
        }
    }

    fn directives(&mut self, constant: bool) -> Parsed<Vec<Directive>> {
        let mut found = Vec::new();
        while self.took('@') {
            found.push(Directive {
                name: self.name()?,
                arguments: self.arguments(constant)?,
            });
        }
        Ok(found)
    }

    fn named_value(&mut self, constant: bool) -> Parsed<(String, Literal)> {
        let name = self.name()?;
        self.expect(':')?;
        Ok((name, self.deeper(|parser| parser.value(constant))?))
    }

    /// A value; a constant one names no variables.
    fn value(&mut self, constant: bool) -> Parsed<Literal> {
        let token = self.peek().clone();
        let simple = match token {
            Token::Mark('[') => {
                self.next();
                let mut items = Vec::new();
                while !self.took(']') {
                    items.push(self.deeper(|parser| parser.value(constant))?);
                }
                return Ok(Literal::List(items));
            }
            Token::Mark('{') => {
                self.next();
                let mut fields = Vec::new();
                while !self.took('}') {
                    fields.push(self.named_value(constant)?);
                }
                return Ok(Literal::Object(fields));
            }
            Token::Mark('$') if !constant => {
                self.next();
                return Ok(Literal::Variable(self.name()?));
            }
            Token::Int(text) => Literal::Int(text),
            Token::Float(text) => Literal::Float(text),
            Token::Text(text) => Literal::Text(text),
            Token::Name(name) => match name.as_str() {
                "true" => Literal::Bool(true),
                "false" => Literal::Bool(false),
                "null" => Literal::Null,
                _ => Literal::Enum(name),
            },
            _ => return self.unexpected(),
        };
        self.next();
        Ok(simple)
    }
}
