// The types of an event's fields: what conditions are checked against and codecs decode into.
//
// Immutable once shared; any number of threads may read a Schema.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace vigil::cep {

enum class TypeKind : uint8_t {
  kDyn,  // anything; checked when evaluated
  kNull,
  kBool,
  kInt,     // int64
  kUint,    // uint64 (CEL only; no schema field has it)
  kDouble,  // IEEE 754 binary64
  kString,  // UTF-8
  kBytes,
  kTimestamp,  // seconds + nanoseconds since the Unix epoch
  kDuration,   // seconds + nanoseconds
  kList,       // params: {element}
  kMap,        // params: {key, value}
  kObject,     // fields: a nested object with known fields
  kType,       // a type as a value (CEL only)
};

struct Field;

struct Type {
  TypeKind kind = TypeKind::kDyn;
  std::vector<Type> params;
  std::vector<Field> fields;

  Type();
  Type(TypeKind k);  // NOLINT(google-explicit-constructor): a kind is a type
  static Type List(Type element);
  static Type Map(Type key, Type value);
  static Type Object(std::vector<Field> fields);

  const Type& element() const { return params[0]; }
  const Type& key() const { return params[0]; }
  const Type& value() const { return params[1]; }
  // The nested field named `name`, or null.
  const Field* Find(std::string_view name) const;

  // As CEL writes it: `int`, `list(string)`, `map(string, dyn)`; an object is `object`.
  std::string ToString() const;

  bool operator==(const Type& other) const;
};

struct Field {
  std::string name;
  Type type;
  bool operator==(const Field& other) const = default;
};

inline Type::Type() = default;
inline Type::Type(TypeKind k) : kind(k) {}

class Schema {
 public:
  // How identifiers that are not declared are treated.
  enum class Undeclared : uint8_t {
    kError,       // a schema was given: an unknown field is an error
    kDynWarning,  // the schema was inferred: an unknown field is `dyn`, with a warning
    kDyn,         // no schema at all (`check` without one): every identifier is `dyn`
  };

  Schema() = default;
  Schema(std::vector<Field> fields, Undeclared undeclared)
      : fields_(std::move(fields)), undeclared_(undeclared) {}

  const std::vector<Field>& fields() const { return fields_; }
  Undeclared undeclared() const { return undeclared_; }
  // True for a schema that a person wrote: a value of another type quarantines the record. With an
  // inferred one the conditions that read it fail instead.
  bool strict_types() const { return undeclared_ == Undeclared::kError; }
  // The declared field named `name`, or null.
  const Field* Find(std::string_view name) const;

 private:
  std::vector<Field> fields_;
  Undeclared undeclared_ = Undeclared::kDyn;
};

}  // namespace vigil::cep
