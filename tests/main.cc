// Catch2's main(), compiled once and linked into every vigil_tests_ROOM.
#define CATCH_CONFIG_MAIN
#include <catch2/catch.hpp>
