// A real Kafka broker for tests, and an independent client of it (kcat).
//
// tests/support/kafka/broker.sh starts it; its jars are fetched once and cached. Where java, mvn or
// kcat is missing, Broker::Get() says so in one line and tests are skipped.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "tests/support/process.h"
#include "tests/support/tcp_proxy.h"

namespace vigil::testing {

struct KafkaRecord {
  std::string value;
  std::string key;  // empty: none
  int partition = 0;
  std::map<std::string, std::string> headers;
};

class Broker {
 public:
  // The broker that all tests of a program share, started at the first call and stopped at the end;
  // null where there can be none.
  static Broker* Get();

  ~Broker();
  const std::string& address() const { return address_; }
  // A network through which it can be reached at network_address(), for as long as this lives; one
  // at a time.
  std::unique_ptr<TcpProxy> MakeNetwork() const;
  std::string network_address() const { return "127.0.0.1:" + std::to_string(proxy_port_); }

  // Where it wants TLS, with its certificate(), and SASL: PLAIN, user vigil, password secret.
  std::string secure_address() const { return "127.0.0.1:" + std::to_string(secure_port_); }
  std::string certificate() const { return dir_.Path("broker.crt"); }

  // A topic of a name that no other test has, beginning with `name`.
  std::string CreateTopic(const std::string& name, int partitions);
  // Deletes it and makes another one of the same name.
  void Recreate(const std::string& topic, int partitions);
  // Deletes a partition's records before `offset`, as retention does.
  void DeleteRecords(const std::string& topic, int partition, int64_t offset);
  void Grow(const std::string& topic, int partitions);
  // Produces records to the partitions that they name, in order within each.
  void Produce(const std::string& topic, const std::vector<KafkaRecord>& records);
  // One record with its headers.
  void ProduceOne(const std::string& topic, const KafkaRecord& record);
  // Produces records in a transaction that is then aborted, or committed.
  void ProduceInTransaction(const std::string& topic, const std::vector<KafkaRecord>& records,
                            bool commits);
  // Reads what the topic holds, as read_committed readers see it, by partition and offset.
  std::vector<KafkaRecord> Consume(const std::string& topic);
  // The offsets that a group has committed, by partition; absent ones are left out.
  std::map<int, int64_t> Committed(const std::string& group, const std::string& topic,
                                   int partitions);

  // A signal to the broker: "KILL" waits until it is gone, "STOP" and "CONT" cut and mend it.
  void Signal(const std::string& name);
  void Restart();

 private:
  Broker() = default;
  bool Up();
  void MakeTopic(const std::string& topic, int partitions);

  TempDir dir_;
  std::string address_;
  uint16_t secure_port_ = 0;
  uint16_t proxy_port_ = 0;
  uint16_t proxied_port_ = 0;
};

}  // namespace vigil::testing
