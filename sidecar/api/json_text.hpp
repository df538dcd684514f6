// JSON written straight into a string: for answers that are asked for thousands of times a second.
#pragma once

#include <string>
#include <string_view>

namespace seqrec::sidecar {

/// Appends a JSON string; bytes that are not UTF-8 are replaced.
/// 追加 JSON 字符串；非 UTF-8 字节被替换。
void append_json(std::string& json, std::string_view text);
/// Appends the shortest number that reads back as the same float; null for one that is not finite.
/// 追加可还原为同一 float 的最短数字；非有限值写作 null。
void append_json(std::string& json, float number);

/// Appends `[…]` with a comma between what `write(element)` appends.
/// 追加数组，元素由 write 写出。
template <typename Elements, typename Write>
void append_json_array(std::string& json, const Elements& elements, Write write) {
    json += '[';
    for (bool first = true; const auto& element : elements) {
        if (!first) json += ',';
        first = false;
        write(element);
    }
    json += ']';
}

}  // namespace seqrec::sidecar
