// The file that backends serve from: a model file plus what serving needs ready-made.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "core/files/id_index.hpp"
#include "core/files/safetensors.hpp"
#include "core/kinds/encoder.hpp"
#include "core/kinds/score_form.hpp"
#include "core/poll.hpp"
#include "core/scan/codes.hpp"
#include "core/scan/lists.hpp"
#include "core/scan/top_k.hpp"

namespace seqrec {

inline constexpr std::string_view kSnapshotFormat = "seqrec-snapshot/2";
/// What an earlier version of seqrec wrote: no damage, but built again. 早先版本所写：并非损坏，但须重建。
inline constexpr std::string_view kEarlierSnapshotFormat = "seqrec-snapshot/1";

/// One model version, mapped read-only: every process that opens it shares its pages. Beside the tensors of
/// the model file it holds `item.scale` (F32 [I], what scores are multiplied with), the id indexes
/// `item.id.*`, `user.id.*`, and the rows in one byte a number: `code.*`. metadata: `format` =
/// `seqrec-snapshot/2`, `kind`, `score`, `config`, `version` (the model's uuid).
/// 一个模型版本的只读映射，打开它的所有进程共享内存页。除模型文件的张量外，还含 item.scale 与 id 索引。
class Snapshot {
  public:
    /// Opens and checks a snapshot file, in time that does not grow with the number of items and users: what
    /// lies in the rows is checked when it is used. Errors: 58030 (can't open), XX001 (not a valid snapshot),
    /// 0A000 (of a kind that this build does not know).
    /// 打开并检查快照文件，耗时与物品数、用户数无关，行内数据在使用时检查。错误：58030（无法打开）、
    /// XX001（快照无效）。
    static Snapshot open(const std::string& path);

    /// The same for a file that is open already.
    /// 同上，用于已打开的文件。
    static Snapshot open(SafetensorsFile file);

    /// Reads the whole file and checks every byte: Error (data corrupted) when one is not as it was written.
    /// 读取整个文件并检查每个字节：与写入时不同则抛出 Error（数据损坏）。
    void verify(const Poll& poll = {}) const { file_->verify(poll); }

    const SafetensorsFile& file() const { return *file_; }
    const Encoder& encoder() const { return *encoder_; }
    const ScoreForm& form() const { return form_; }
    const IdIndex& items() const { return items_; }
    const IdIndex& users() const { return users_; }
    /// What scores come from: `matrix` [items, dim()]. For Link::Cosine `unit` is 1 / ‖row‖, otherwise 1 /
    /// longest() of all rows, so that no row is longer than 1 to the scan; a query is multiplied with
    /// longest() before.
    /// 得分所用的行。
    const Rows& rows() const { return rows_; }
    /// The same rows by their direction alone, without the column of an item's bias.
    /// 只看方向的行，不含物品偏置列。
    const Rows& directions() const { return directions_; }
    /// Length of the longest row; 1 for Link::Cosine.
    /// 最长行的长度；Link::Cosine 时为 1。
    float longest() const { return longest_; }
    const Codes& codes() const { return codes_; }
    const Lists& lists() const { return lists_; }
    std::span<const float> item_popularity() const { return item_popularity_; }
    double popularity_total() const { return popularity_total_; }
    int dim() const { return encoder_->dim(); }
    /// Whether an item that a user has again counts each time, and may be answered: as the model was trained.
    /// 用户再次选择的物品是否每次都计入并可被推荐：与训练时一致。
    bool keeps_repeats() const { return keeps_repeats_; }
    /// Whether an item right after itself, as by a double click, counts once.
    /// 紧接自身的物品（如双击）是否只计一次。
    bool merges_repeats() const { return merges_repeats_; }
    /// What scores are divided by in the softmax that the model was trained with.
    /// 训练所用 softmax 的温度。
    double temperature() const { return temperature_; }
    /// What is added to the score of an item that was clicked, by its age (core/ages.hpp); empty for nothing.
    /// 按新旧程度加到曾被点击的物品得分上的值；空则不加。
    std::span<const float> repeat_shifts() const { return repeat_shifts_; }
    /// The items that a user interacted with in training, the latest last; each once, unless the model keeps
    /// repeats. Error (data corrupted) for no user of the model and when the list leaves the file; the
    /// indexes may be anything.
    /// 用户在训练数据中交互过的物品，最近的在最后；除非模型保留重复，否则各一次。
    /// 没有该用户或列表越界时抛出 Error（数据损坏）；下标本身未经检查。
    std::span<const std::int32_t> seen(std::int32_t user) const;

  private:
    explicit Snapshot(std::unique_ptr<const SafetensorsFile> file);
    void read_config();

    std::unique_ptr<const SafetensorsFile> file_;
    ScoreForm form_;
    std::unique_ptr<const Encoder> encoder_;
    IdIndex items_, users_;
    Rows rows_, directions_;
    float longest_;
    Codes codes_;
    Lists lists_;
    std::span<const float> item_popularity_;
    double popularity_total_;
    std::span<const std::int64_t> seen_offsets_;
    std::span<const std::int32_t> seen_items_;
    bool keeps_repeats_ = false, merges_repeats_ = false;
    double temperature_ = 1;
    std::vector<float> repeat_shifts_;
};

}  // namespace seqrec
