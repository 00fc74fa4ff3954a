#include "net/http_server.h"

#include <arpa/inet.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <httplib.h>
#include <sys/socket.h>
#include <unistd.h>

#include <chrono>
#include <future>
#include <nlohmann/json.hpp>

namespace ringkv {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

class HttpServerTest : public ::testing::Test {
 protected:
  httplib::Client Client() { return httplib::Client("127.0.0.1", server_.port()); }

  HttpServer server_;
};

TEST_F(HttpServerTest, ServesAPathWithItsQuery) {
  server_.Handle("/api/v1/ring", [](const HttpRequest& request) {
    return HttpResponse{200, "application/json", "{\"q\":\"" + request.query.at("q") + "\"}"};
  });
  ASSERT_TRUE(server_.Start("127.0.0.1:0").ok());
  EXPECT_EQ(server_.address(), "127.0.0.1:" + std::to_string(server_.port()));
  auto response = Client().Get("/api/v1/ring?q=a%20b");
  ASSERT_TRUE(response);
  EXPECT_EQ(response->status, 200);
  EXPECT_EQ(response->body, "{\"q\":\"a b\"}");
  EXPECT_EQ(response->get_header_value("Content-Type"), "application/json");
}

TEST_F(HttpServerTest, HeadHasTheHeadersWithoutTheBody) {
  server_.HandleHealth([] { return std::vector<std::string>(); });
  ASSERT_TRUE(server_.Start("127.0.0.1:0").ok());
  auto response = Client().Head("/livez");
  ASSERT_TRUE(response);
  EXPECT_EQ(response->status, 200);
  EXPECT_EQ(response->get_header_value("Content-Length"), "3");
  EXPECT_EQ(response->body, "");
}

TEST_F(HttpServerTest, UnknownPathsAre404AndOtherMethods405) {
  server_.HandleHealth([] { return std::vector<std::string>(); });
  ASSERT_TRUE(server_.Start("127.0.0.1:0").ok());
  for (std::string path : {"/", "/livez/", "/livez/x", "/LIVEZ", "/..%2f..%2fetc/passwd"}) {
    auto response = Client().Get(path);
    ASSERT_TRUE(response) << path;
    EXPECT_EQ(response->status, 404) << path;
    EXPECT_THAT(response->body, HasSubstr("\"code\":\"not-found\"")) << path;
  }
  EXPECT_EQ(Client().Head("/nothing")->status, 404);
  EXPECT_EQ(Client().Post("/nothing", "x", "text/plain")->status, 404);
  auto client = Client();
  for (auto& response : {client.Post("/livez", "x", "text/plain"), client.Delete("/livez"),
                         client.Put("/livez", std::string(10'000, 'x'), "text/plain")}) {
    ASSERT_TRUE(response);
    EXPECT_EQ(response->status, 405);
    EXPECT_EQ(response->get_header_value("Allow"), "GET, HEAD");
    EXPECT_THAT(response->body, HasSubstr("is not allowed here"));
  }
}

TEST_F(HttpServerTest, RequestsThatAreTooLargeAreRefused) {
  server_.HandleHealth([] { return std::vector<std::string>(); });
  ASSERT_TRUE(server_.Start("127.0.0.1:0").ok());
  auto response = Client().Get("/" + std::string(10'000, 'x'));
  ASSERT_TRUE(response);
  EXPECT_EQ(response->status, 414);
  EXPECT_EQ(Client().Get("/livez")->status, 200);
}

TEST_F(HttpServerTest, ReadinessSaysWhyNot) {
  std::vector<std::string> reasons = {"no metadata", "disk \xff full"};
  server_.HandleHealth([&] { return reasons; });
  ASSERT_TRUE(server_.Start("127.0.0.1:0").ok());
  auto response = Client().Get("/readyz");
  ASSERT_TRUE(response);
  EXPECT_EQ(response->status, 503);
  auto json = nlohmann::json::parse(response->body);
  EXPECT_EQ(json["ready"], false);
  EXPECT_EQ(json["reasons"][0], "no metadata");
  EXPECT_EQ(Client().Get("/livez")->status, 200);
  reasons.clear();
  response = Client().Get("/readyz");
  EXPECT_EQ(response->status, 200);
  EXPECT_EQ(response->body, "ok\n");
}

TEST_F(HttpServerTest, MetricsAreThoseOfTheMoment) {
  MemoryMetrics metrics;
  server_.HandleMetrics(metrics);
  ASSERT_TRUE(server_.Start("127.0.0.1:0").ok());
  metrics.GetCounter("a_total", "").Add(3);
  auto response = Client().Get("/metrics");
  ASSERT_TRUE(response);
  EXPECT_THAT(response->body, HasSubstr("ringkv_a_total 3"));
  EXPECT_THAT(response->get_header_value("Content-Type"), HasSubstr("version=0.0.4"));
}

TEST_F(HttpServerTest, AHandlerThatThrowsIsA500WithoutDetails) {
  server_.Handle("/bad", [](const HttpRequest& request) -> HttpResponse {
    return {200, "text/plain", request.query.at("missing")};
  });
  ASSERT_TRUE(server_.Start("127.0.0.1:0").ok());
  auto response = Client().Get("/bad");
  ASSERT_TRUE(response);
  EXPECT_EQ(response->status, 500);
  EXPECT_THAT(response->body, HasSubstr("the request failed"));
  EXPECT_FALSE(response->has_header("EXCEPTION_WHAT"));
}

TEST_F(HttpServerTest, AHandlersOwnErrorIsKept) {
  server_.Handle("/gone", [](const HttpRequest&) {
    return HttpResponse{404, "text/plain", "no such migration"};
  });
  server_.Handle("/empty", [](const HttpRequest&) { return HttpResponse{503, "text/plain", ""}; });
  ASSERT_TRUE(server_.Start("127.0.0.1:0").ok());
  EXPECT_EQ(Client().Get("/gone")->body, "no such migration");
  auto empty = Client().Get("/empty");
  ASSERT_TRUE(empty);
  EXPECT_EQ(empty->status, 503);
  EXPECT_EQ(empty->body, "");
}

TEST_F(HttpServerTest, AnAddressInUseIsAClearError) {
  ASSERT_TRUE(server_.Start("127.0.0.1:0").ok());
  HttpServer second;
  Status status = second.Start(server_.address());
  EXPECT_EQ(status.code(), StatusCode::kUnavailable);
  EXPECT_THAT(status.message(),
              AllOf(HasSubstr(server_.address()), HasSubstr("the address is in use")));
}

TEST(HttpServer, AddressesThatAreNotOursAreErrors) {
  EXPECT_EQ(HttpServer().Start("192.0.2.1:0").code(), StatusCode::kInvalidArgument);
  EXPECT_EQ(HttpServer().Start("no-such-host.invalid:0").code(), StatusCode::kInvalidArgument);
  EXPECT_EQ(HttpServer().Start("nonsense").code(), StatusCode::kInvalidArgument);
}

// A connection that sends nothing.
int ConnectIdle(uint16_t port) {
  int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in where{};
  where.sin_family = AF_INET;
  where.sin_port = htons(port);
  where.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  EXPECT_EQ(::connect(fd, reinterpret_cast<sockaddr*>(&where), sizeof where), 0);
  return fd;
}

TEST(HttpServer, IdleConnectionsDelayOthersOnlyForAWhile) {
  HttpServer server(HttpServerOptions{.threads = 2, .max_queued = 2});
  server.HandleHealth([] { return std::vector<std::string>(); });
  ASSERT_TRUE(server.Start("127.0.0.1:0").ok());
  std::vector<int> idle;
  for (int i = 0; i < 4; ++i) idle.push_back(ConnectIdle(server.port()));
  httplib::Client client("127.0.0.1", server.port());
  client.set_read_timeout(30);
  auto response = client.Get("/livez");
  ASSERT_TRUE(response);
  EXPECT_EQ(response->status, 200);
  for (int fd : idle) ::close(fd);
}

TEST(HttpServer, StopFinishesWhatIsBeingAnswered) {
  HttpServer server;
  std::promise<void> entered;
  std::promise<void> may_go;
  server.Handle("/slow", [&](const HttpRequest&) {
    entered.set_value();
    may_go.get_future().wait();
    return HttpResponse{200, "text/plain", "done"};
  });
  ASSERT_TRUE(server.Start("127.0.0.1:0").ok());
  uint16_t port = server.port();
  auto answer = std::async(std::launch::async,
                           [port] { return httplib::Client("127.0.0.1", port).Get("/slow"); });
  entered.get_future().wait();
  auto stopped = std::async(std::launch::async, [&] { server.Stop(); });
  may_go.set_value();
  auto response = answer.get();
  stopped.get();
  ASSERT_TRUE(response);
  EXPECT_EQ(response->body, "done");
  EXPECT_FALSE(httplib::Client("127.0.0.1", port).Get("/slow"));
  server.Stop();
}

TEST(HttpServer, StopsAtOnceAfterStartAndInspiteOfAFullQueue) {
  for (int i = 0; i < 20; ++i) {
    HttpServer server;
    ASSERT_TRUE(server.Start("127.0.0.1:0").ok());
  }
  HttpServer server(HttpServerOptions{.threads = 1, .max_queued = 1});
  ASSERT_TRUE(server.Start("127.0.0.1:0").ok());
  std::vector<int> idle;
  for (int i = 0; i < 5; ++i) idle.push_back(ConnectIdle(server.port()));
  server.Stop();
  for (int fd : idle) ::close(fd);
}

}  // namespace
}  // namespace ringkv
