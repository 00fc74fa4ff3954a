// Whether an address can be listened on, and why not. The libraries that listen for us say only
// that they could not; this asks the system itself and puts its answer in words. Thread-safe.
#pragma once

#include <string_view>

#include "base/status.h"

namespace ringkv {

// Ok: it could be listened on just now. Errors as below.
Status CheckCanListen(std::string_view address);

// Never ok. Unavailable: in use. InvalidArgument: not an address of this machine, or not an
// address. IoError: everything else, and a cause that is gone by now. Names the address.
Status ExplainBindFailure(std::string_view address);

}  // namespace ringkv
