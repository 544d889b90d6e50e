// A key's typed bytes as they come back from storage, where they may be anything.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

namespace vigil::cep {

// The hash that HashKeys() gives for a key whose typed bytes are `bytes` (cep/event/key.h); nothing
// if they are not those of a key of `fields` values.
std::optional<uint64_t> HashKeyBytes(std::string_view bytes, size_t fields);

}  // namespace vigil::cep
