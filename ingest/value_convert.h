// Values of binary formats on their way into columns: conversion to the types of a schema, and
// times.
//
// A binary record says the type of each of its values; a schema may ask for another one:
//   int        an int, an unsigned one up to 2^63-1, a time as a number in the field's unit
//   double     also any integer
//   timestamp  also a number in the field's unit, or RFC 3339 text
//   duration   also text as CEL writes it
//   list, map, object   converted element by element
//   dyn        as it is
// Null is null for every type. Anything else is of another type: a mismatch.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

#include "cep/base/arena.h"
#include "cep/event/schema.h"
#include "cep/event/value.h"
#include "ingest/event_time.h"

namespace vigil::ingest {

// `value` as `type`; an error value where it does not fit, with `found` saying what was found in
// its place (unchanged where everything fits). New lists and maps lie in `arena`. `unit`: how a
// number says a time.
cep::Value ConvertValue(const cep::Value& value, const cep::Type& type, TimeUnit unit, Arena* arena,
                        const char** found);

// The event time that `value` says, in ms: a number in `unit`, RFC 3339 text, or a timestamp
// (rounded down). On failure `why` says what is wrong (a static text).
bool EventTimeOfValue(const cep::Value& value, TimeUnit unit, int64_t* ms, const char** why);

// What messages call a value of this tag.
const char* ValueTagName(cep::ValueTag tag);

// Drops entries whose key comes again later, keeping the first one's place and the last one's
// value; returns how many are left. Keys are bool, int or string.
size_t UniqueEntries(cep::MapEntry* entries, size_t count);

// The type that stands for no demand at all.
const cep::Type& DynType();

}  // namespace vigil::ingest
