// The values of a chaos run. In the history a value is a short name, unique across the run
// ("v123"); in the store it is the name with a tail that follows from it, of some bytes to some
// tens of kilobytes, so that a value of which a part is lost or wrong is noticed.
#pragma once

#include <string>
#include <string_view>

namespace ringkv {

std::string ValueOfName(std::string_view name);

// The name of a stored value; of one that is not as it was written, what is wrong with it.
std::string NameOfValue(std::string_view value);

}  // namespace ringkv
