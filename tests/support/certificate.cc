#include "tests/support/certificate.h"

#include <cstdio>
#include <stdexcept>

#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

namespace vigil::testing {
namespace {

template <typename Write>
void WriteFile(const std::string& path, const Write& write) {
  FILE* out = std::fopen(path.c_str(), "w");
  if (out == nullptr || write(out) != 1) throw std::runtime_error("cannot write " + path);
  std::fclose(out);
}

}  // namespace

void WriteCertificate(const std::string& certificate_path, const std::string& key_path,
                      long serial) {
  EVP_PKEY* key = EVP_EC_gen("P-256");
  X509* cert = X509_new();
  X509_set_version(cert, 2);
  ASN1_INTEGER_set(X509_get_serialNumber(cert), serial);
  X509_gmtime_adj(X509_getm_notBefore(cert), -60);
  X509_gmtime_adj(X509_getm_notAfter(cert), 3600);
  X509_set_pubkey(cert, key);
  X509_NAME* subject = X509_get_subject_name(cert);
  X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_ASC,
                             reinterpret_cast<const unsigned char*>("vigil"), -1, -1, 0);
  X509_set_issuer_name(cert, subject);
  X509_EXTENSION* names =
      X509V3_EXT_conf_nid(nullptr, nullptr, NID_subject_alt_name, "IP:127.0.0.1");
  X509_add_ext(cert, names, -1);
  X509_EXTENSION_free(names);
  if (X509_sign(cert, key, EVP_sha256()) == 0) throw std::runtime_error("cannot sign");
  WriteFile(certificate_path, [&](FILE* out) { return PEM_write_X509(out, cert); });
  WriteFile(key_path, [&](FILE* out) {
    return PEM_write_PrivateKey(out, key, nullptr, nullptr, 0, nullptr, nullptr);
  });
  X509_free(cert);
  EVP_PKEY_free(key);
}

}  // namespace vigil::testing
