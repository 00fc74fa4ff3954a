// A benchmark's program, as `./dev bench` runs it.
#pragma once

#include <sys/wait.h>

#include <cstdio>
#include <string>

namespace ringkv::bench {

struct Ended {
  int code = -1;       // -1: it could not be run, or did not end by itself
  std::string output;  // both streams
};

inline Ended RunProgram(const std::string& program, const std::string& arguments) {
  Ended ended;
  const std::string command = program + " " + arguments + " 2>&1";
  FILE* pipe = popen(command.c_str(), "r");
  if (pipe == nullptr) return ended;
  char buffer[4096];
  while (size_t bytes = fread(buffer, 1, sizeof(buffer), pipe)) ended.output.append(buffer, bytes);
  const int status = pclose(pipe);
  if (WIFEXITED(status)) ended.code = WEXITSTATUS(status);
  return ended;
}

}  // namespace ringkv::bench
