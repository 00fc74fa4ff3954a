// request [--to ADDRESS] SERVICE/METHOD MESSAGE...: a gRPC call with messages of the caller's
// making, such as `request Kv/Put 'key: "k" ttl_ms: 1'` (protobuf's text format). In a message,
// x(N) stands for a string of N letters x; with --raw the messages are bytes as they are; `-` is
// stdin.
//
// Prints the answers, those with an OpStatus as `OUTCOME: message`. What stands for an exit code
// goes to $CODE_FILE: gRPC's status, and the codes of the answers.
#include <google/protobuf/text_format.h>
#include <grpcpp/generic/generic_stub.h>
#include <grpcpp/grpcpp.h>

#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <iostream>
#include <iterator>
#include <regex>
#include <set>
#include <vector>

#include "net/grpc_door.h"
#include "ringkv/v1/admin.pb.h"
#include "ringkv/v1/disk_replacement.pb.h"
#include "ringkv/v1/inspect.pb.h"
#include "ringkv/v1/kv.pb.h"
#include "ringkv/v1/replica.pb.h"

namespace ringkv {
namespace {

using google::protobuf::DescriptorPool;
using google::protobuf::FieldDescriptor;
using google::protobuf::Message;
using google::protobuf::MessageFactory;

// The files' descriptors are in the pool once something of them is linked.
void LinkServices() {
  (void)v1::OpStatus::descriptor();
  (void)v1::GetClusterRequest::descriptor();
  (void)v1::RegisterRequest::descriptor();
  (void)v1::ListSlotSizesRequest::descriptor();
  (void)v1::MayReplaceDiskRequest::descriptor();
}

std::string ExpandLetters(const std::string& text) {
  static const std::regex letters(R"(x\((\d+)\))");
  std::string out;
  std::string rest = text;
  for (std::smatch match; std::regex_search(rest, match, letters); rest = match.suffix()) {
    out += match.prefix().str() + '"' + std::string(std::stoul(match[1]), 'x') + '"';
  }
  return out + rest;
}

grpc::ByteBuffer ToBuffer(const std::string& bytes) {
  const grpc::Slice slice(bytes);
  return grpc::ByteBuffer(&slice, 1);
}

std::string ToBytes(const grpc::ByteBuffer& buffer) {
  std::vector<grpc::Slice> slices;
  if (!buffer.Dump(&slices).ok()) std::abort();
  std::string bytes;
  for (const grpc::Slice& slice : slices) {
    bytes.append(reinterpret_cast<const char*>(slice.begin()), slice.size());
  }
  return bytes;
}

// Each OpStatus in the message, wherever it is.
void CollectStatuses(const Message& message, std::vector<v1::OpStatus>& found) {
  if (message.GetDescriptor() == v1::OpStatus::descriptor()) {
    found.emplace_back().CopyFrom(message);
    return;
  }
  std::vector<const FieldDescriptor*> fields;
  message.GetReflection()->ListFields(message, &fields);
  for (const FieldDescriptor* field : fields) {
    if (field->cpp_type() != FieldDescriptor::CPPTYPE_MESSAGE) continue;
    if (!field->is_repeated()) {
      CollectStatuses(message.GetReflection()->GetMessage(message, field), found);
      continue;
    }
    for (int i = 0; i < message.GetReflection()->FieldSize(message, field); ++i) {
      CollectStatuses(message.GetReflection()->GetRepeatedMessage(message, field, i), found);
    }
  }
}

std::string Shortened(std::string name, const std::string& prefix) {
  return name.starts_with(prefix) ? name.substr(prefix.size()) : name;
}

std::string GrpcCode(grpc::StatusCode code) {
  static const char* const kNames[] = {"OK",
                                       "CANCELLED",
                                       "UNKNOWN",
                                       "INVALID_ARGUMENT",
                                       "DEADLINE_EXCEEDED",
                                       "NOT_FOUND",
                                       "ALREADY_EXISTS",
                                       "PERMISSION_DENIED",
                                       "RESOURCE_EXHAUSTED",
                                       "FAILED_PRECONDITION",
                                       "ABORTED",
                                       "OUT_OF_RANGE",
                                       "UNIMPLEMENTED",
                                       "INTERNAL",
                                       "UNAVAILABLE",
                                       "DATA_LOSS",
                                       "UNAUTHENTICATED"};
  return code >= 0 && code <= 16 ? kNames[code] : "?";
}

// One call: all requests, then all answers.
class Call {
 public:
  Call(const std::string& address, const std::string& path)
      : stub_(MakeChannel(address, {.max_message_bytes = 64u << 20})) {
    context_.set_deadline(std::chrono::system_clock::now() + std::chrono::seconds(15));
    context_.set_wait_for_ready(true);
    stream_ = stub_.PrepareCall(&context_, path, &queue_);
    stream_->StartCall(nullptr);
    Next();
  }
  void Send(const std::string& bytes) {
    stream_->Write(ToBuffer(bytes), nullptr);
    Next();
  }
  void EndSending() {
    stream_->WritesDone(nullptr);
    Next();
  }
  bool Receive(std::string* bytes) {
    grpc::ByteBuffer buffer;
    stream_->Read(&buffer, nullptr);
    if (!Next()) return false;
    *bytes = ToBytes(buffer);
    return true;
  }
  grpc::Status Finish() {
    grpc::Status status;
    stream_->Finish(&status, nullptr);
    Next();
    return status;
  }

 private:
  bool Next() {
    void* tag = nullptr;
    bool ok = false;
    return queue_.Next(&tag, &ok) && ok;
  }

  grpc::GenericStub stub_;
  grpc::ClientContext context_;
  grpc::CompletionQueue queue_;
  std::unique_ptr<grpc::GenericClientAsyncReaderWriter> stream_;
};

struct Arguments {
  std::string to;
  bool raw = false;
  std::string method;
  std::vector<std::string> messages;
};

Arguments Parse(int argc, char** argv) {
  Arguments arguments;
  const char* router = std::getenv("ROUTER");
  arguments.to = router == nullptr ? "" : router;
  for (int i = 1; i < argc; ++i) {
    const std::string word = argv[i];
    if (word == "--to" && i + 1 < argc) {
      arguments.to = argv[++i];
    } else if (word == "--raw") {
      arguments.raw = true;
    } else if (arguments.method.empty()) {
      arguments.method = word;
    } else if (word == "-") {
      arguments.messages.emplace_back(std::istreambuf_iterator<char>(std::cin),
                                      std::istreambuf_iterator<char>());
    } else {
      arguments.messages.push_back(word);
    }
  }
  return arguments;
}

std::string ToWire(const Message& prototype, const std::string& text, bool raw) {
  if (raw) return text;
  std::unique_ptr<Message> message(prototype.New());
  if (!google::protobuf::TextFormat::ParseFromString(ExpandLetters(text), message.get())) {
    std::cout << "request: this is no " << prototype.GetDescriptor()->name() << "\n";
    std::exit(64);
  }
  return message->SerializeAsString();
}

void PrintAnswer(const Message& answer, std::set<std::string>& codes) {
  std::vector<v1::OpStatus> statuses;
  CollectStatuses(answer, statuses);
  for (const v1::OpStatus& status : statuses) {
    codes.insert(Shortened(v1::ErrorCode_Name(status.code()), "ERROR_CODE_"));
    std::cout << Shortened(v1::Outcome_Name(status.outcome()), "OUTCOME_") << ": "
              << status.message() << "\n";
  }
  if (statuses.empty()) std::cout << answer.ShortDebugString() << "\n";
}

int Main(int argc, char** argv) {
  LinkServices();
  const Arguments arguments = Parse(argc, argv);
  const size_t slash = arguments.method.find('/');
  const DescriptorPool& pool = *DescriptorPool::generated_pool();
  const auto* method =
      slash == std::string::npos
          ? nullptr
          : pool.FindMethodByName("ringkv.v1." + arguments.method.substr(0, slash) + "." +
                                  arguments.method.substr(slash + 1));
  const auto* input = method == nullptr ? v1::OpStatus::descriptor() : method->input_type();
  const auto* output = method == nullptr ? v1::OpStatus::descriptor() : method->output_type();
  MessageFactory& factory = *MessageFactory::generated_factory();

  std::vector<std::string> requests;
  for (const std::string& text : arguments.messages) {
    requests.push_back(ToWire(*factory.GetPrototype(input), text, arguments.raw));
  }
  Call call(arguments.to, "/ringkv.v1." + arguments.method);
  for (const std::string& request : requests) call.Send(request);
  call.EndSending();
  std::set<std::string> codes;
  std::unique_ptr<Message> answer(factory.GetPrototype(output)->New());
  int answers = 0;
  for (std::string bytes; call.Receive(&bytes); ++answers) {
    if (!answer->ParseFromString(bytes)) std::abort();
    PrintAnswer(*answer, codes);
  }
  const grpc::Status status = call.Finish();
  if (!status.ok()) {
    codes.insert("gRPC " + GrpcCode(status.error_code()));
    if (!status.error_message().empty()) std::cout << status.error_message() << "\n";
  }
  std::string all;
  if (answers == 0 && status.error_message().empty()) std::cout << "(no answer)\n";
  if (codes.empty()) codes.insert("OK");
  for (const std::string& code : codes) all += (all.empty() ? "" : ", ") + code;
  if (const char* file = std::getenv("CODE_FILE"); file != nullptr) std::ofstream(file) << all;
  return 0;
}

}  // namespace
}  // namespace ringkv

int main(int argc, char** argv) { return ringkv::Main(argc, argv); }
