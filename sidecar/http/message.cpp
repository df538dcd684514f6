#include "http/message.hpp"

#include <boost/beast/core/string.hpp>

namespace seqrec::sidecar {

std::string_view Request::header(std::string_view name) const {
    for (const auto& [own, value] : headers)
        if (boost::beast::iequals(own, name)) return value;
    return {};
}

}  // namespace seqrec::sidecar
