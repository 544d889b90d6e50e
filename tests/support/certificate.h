// Certificates for servers on this machine, made by the test that uses them.
#pragma once

#include <string>

namespace vigil::testing {

// A certificate for 127.0.0.1 that its own new key signs, good for an hour: two PEM files.
void WriteCertificate(const std::string& certificate_path, const std::string& key_path,
                      long serial);

}  // namespace vigil::testing
