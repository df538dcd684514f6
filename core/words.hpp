// Titles as people read them: which words two share, and how a long one is made short. UTF-8 is decoded by hand; what is none counts
// byte by byte.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace seqrec {

/// Words that both texts have, the longest first, at most `most`, as the first text writes them: runs of letters and digits of two or
/// more, in any case of ASCII, without articles and the like; of Chinese and Japanese, written without spaces, runs of two or more
/// characters that stand in both.
/// 两段文本共有的词，最长的在前，至多 most 个，按第一段的写法：两个以上的字母或数字（不分 ASCII 大小写，冠词等除外）；
/// 中文与日文不以空格分词，取两段中都出现的两个以上连续字符。
std::vector<std::string> shared_words(std::string_view text, std::string_view other, std::size_t most = 3);

/// A title in one line of at most `most_columns` columns (a Chinese character takes two): blanks and control characters are one space,
/// and what is too long ends in `ellipsis`, at the end of a word where one is near. Characters are never cut.
/// 单行标题，至多 most_columns 列（汉字占两列）：空白与控制字符合为一个空格，过长者以 ellipsis 结尾，尽量断在词尾，不切断字符。
std::string shortened(std::string_view title, std::size_t most_columns = 80,
                      std::string_view ellipsis = "\u2026");

}  // namespace seqrec
