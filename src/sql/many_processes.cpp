#include "sql/many_processes.hpp"

#include "sql/answering.hpp"

extern "C" {
#include "access/htup_details.h"
#include "access/parallel.h"
#include "access/xact.h"
#include "catalog/pg_proc.h"
#include "lib/stringinfo.h"
#include "optimizer/cost.h"
#include "storage/ipc.h"
#include "storage/latch.h"
#include "storage/proc.h"
#include "storage/shm_mq.h"
#include "utils/builtins.h"
#include "utils/datum.h"
#include "utils/syscache.h"
#include "utils/wait_event.h"
}

// Users lie in blocks, and a process that is free takes the next one. A worker sends what it made through a queue of its
// own, block after block; when the queue is full it waits. The leader hands out the rows in the order of the blocks, and
// makes blocks itself, a few ahead of what it can hand out, while it would have to wait. Neither waits for the other at
// once: the leader only waits for the block that is next, which is the first in its worker's queue.

namespace seqrec {
namespace {

constexpr std::uint32_t kBlocksForAWorker = 8;  // fewer are made sooner than a process begins
constexpr int kMostAhead = 8;                   // blocks that the leader keeps
constexpr Size kSmallestQueue = 256 * 1024, kLargestQueue = 4 * 1024 * 1024;

enum Key : std::uint64_t { kShared = 1, kCall, kQueues };

/// Raised with whatever changes what a worker is told: it may have loaded another build than the leader.
constexpr std::uint32_t kLayout = 1;

struct Shared {
    std::uint32_t layout;
    pg_atomic_uint32 next;  // the first block that nobody has taken
    char version[40];       // that answers
    Size queue_size;
};

/// How the arguments of seqrec_recommend_all travel.
constexpr struct {
    bool by_value;
    int length;
} kWishTypes[kWishes] = {{true, 4},   {false, -1}, {false, -1}, {true, 1},
                         {false, -1}, {true, 4},   {true, 4},   {true, 4}};

std::uint32_t blocks_of(std::int32_t users) {
    return static_cast<std::uint32_t>((users + kUsersAtOnce - 1) / kUsersAtOnce);
}

std::int32_t users_of_model() { return static_cast<std::int32_t>(work.model->snapshot->users().size()); }

/// Fills work.answers; the first user.
std::int32_t make_block(std::uint32_t block) {
    const std::int32_t users = users_of_model();
    const auto first = static_cast<std::int32_t>(block) * kUsersAtOnce;
    guarded([&] { work.answers = work.recommender->answer_users(first, Min(kUsersAtOnce, users - first)); });
    return first;
}

// --- a block as bytes: its number, then for each user how many items, and those ---

StringInfoData write_block(std::uint32_t block) {
    make_block(block);
    StringInfoData bytes;
    initStringInfo(&bytes);
    appendBinaryStringInfo(&bytes, reinterpret_cast<const char*>(&block), sizeof block);
    for (const Answer& answer : work.answers) {
        const auto count = static_cast<std::uint32_t>(answer.items.size());
        appendBinaryStringInfo(&bytes, reinterpret_cast<const char*>(&count), sizeof count);
        appendBinaryStringInfo(&bytes, reinterpret_cast<const char*>(answer.items.data()),
                               static_cast<int>(count * sizeof(ScoredItem)));
    }
    return bytes;
}

std::uint32_t block_number(const char* bytes) {
    std::uint32_t block;
    memcpy(&block, bytes, sizeof block);
    return block;
}

struct Taker {
    TakeUser take;
    void* state;
};

/// Hands out the rows of some users, in memory of their own.
template <typename HandOut>
void in_scratch(HandOut hand_out) {
    const MemoryContext scratch =
        AllocSetContextCreate(CurrentMemoryContext, "seqrec rows", ALLOCSET_DEFAULT_SIZES);
    const MemoryContext before = MemoryContextSwitchTo(scratch);
    hand_out();
    MemoryContextSwitchTo(before);
    MemoryContextDelete(scratch);
}

void hand_out_bytes(const Taker& taker, const char* bytes, Size size) {
    std::int32_t user = static_cast<std::int32_t>(block_number(bytes)) * kUsersAtOnce;
    const char *at = bytes + sizeof(std::uint32_t), *end = bytes + size;
    in_scratch([&] {
        while (at < end) {
            std::uint32_t count;
            memcpy(&count, at, sizeof count);
            at += sizeof count;
            taker.take(taker.state, user++, {reinterpret_cast<const ScoredItem*>(at), count});
            at += count * sizeof(ScoredItem);
        }
    });
}

void hand_out_answers(const Taker& taker, std::int32_t first) {
    in_scratch([&] {
        for (std::size_t i = 0; i < work.answers.size(); ++i)
            taker.take(taker.state, first + static_cast<std::int32_t>(i), work.answers[i].items);
    });
}

// --- the call's arguments ---

Size call_size(FunctionCallInfo call) {
    Size size = 0;
    for (int i = 0; i < kWishes; ++i)
        size = add_size(size, datumEstimateSpace(call->args[i].value, call->args[i].isnull,
                                                 kWishTypes[i].by_value, kWishTypes[i].length));
    return size;
}

void write_call(FunctionCallInfo call, char* at) {
    for (int i = 0; i < kWishes; ++i)
        datumSerialize(call->args[i].value, call->args[i].isnull, kWishTypes[i].by_value,
                       kWishTypes[i].length, &at);
}

Wish read_call(char* at) {
    LOCAL_FCINFO(call, kWishes);
    InitFunctionCallInfoData(*call, nullptr, kWishes, InvalidOid, nullptr, nullptr);
    for (int i = 0; i < kWishes; ++i) call->args[i].value = datumRestore(&at, &call->args[i].isnull);
    return read_wish(call, 0);
}

// --- the leader ---

struct Helper {
    shm_mq_handle* queue;  // null: it has ended
    const char* bytes;     // of a block that came; null: none did
    Size size;
};

struct OwnBlock {
    StringInfoData bytes;
    std::uint32_t block;
};

struct Leader {
    Taker taker;
    Shared* shared;
    std::uint32_t blocks, handed_out;
    Helper* helpers;
    int helper_count;
    OwnBlock own[kMostAhead];
    int own_count;
};

/// Looks whether something came of a worker.
void look(Helper& helper) {
    if (helper.bytes || !helper.queue) return;
    void* bytes;
    switch (shm_mq_receive(helper.queue, &helper.size, &bytes, true)) {
        case SHM_MQ_SUCCESS:
            helper.bytes = static_cast<const char*>(bytes);
            return;
        case SHM_MQ_DETACHED:
            helper.queue = nullptr;
            return;
        case SHM_MQ_WOULD_BLOCK:
            return;
    }
}

bool hand_out_next_of_helpers(Leader& leader) {
    for (int i = 0; i < leader.helper_count; ++i) {
        Helper& helper = leader.helpers[i];
        look(helper);
        if (!helper.bytes || block_number(helper.bytes) != leader.handed_out) continue;
        hand_out_bytes(leader.taker, helper.bytes, helper.size);
        helper.bytes = nullptr;
        return true;
    }
    return false;
}

/// Its own are in order.
bool hand_out_next_of_own(Leader& leader) {
    if (leader.own_count == 0 || leader.own[0].block != leader.handed_out) return false;
    hand_out_bytes(leader.taker, leader.own[0].bytes.data, static_cast<Size>(leader.own[0].bytes.len));
    pfree(leader.own[0].bytes.data);
    --leader.own_count;
    memmove(&leader.own[0], &leader.own[1], sizeof(OwnBlock) * static_cast<Size>(leader.own_count));
    return true;
}

/// Makes one block more; false when it has enough of its own, or all are taken.
bool make_one(Leader& leader) {
    if (leader.own_count == kMostAhead) return false;
    const std::uint32_t block = pg_atomic_fetch_add_u32(&leader.shared->next, 1);
    if (block >= leader.blocks) return false;
    leader.own[leader.own_count++] = {write_block(block), block};
    return true;
}

/// An error of a worker is raised by CHECK_FOR_INTERRUPTS; one that just went takes its block with it.
void wait_for_helpers(const Leader& leader, ParallelContext* context) {
    bool any = false;
    for (int i = 0; i < leader.helper_count; ++i) any |= leader.helpers[i].queue != nullptr;
    if (!any) {
        WaitForParallelWorkersToFinish(context);
        ereport(ERROR, (errcode(ERRCODE_INTERNAL_ERROR), errmsg("a parallel worker ended early")));
    }
    (void)WaitLatch(MyLatch, WL_LATCH_SET | WL_EXIT_ON_PM_DEATH, 0, PG_WAIT_EXTENSION);
    ResetLatch(MyLatch);
}

void lead(Leader& leader, ParallelContext* context) {
    while (leader.handed_out < leader.blocks) {
        CHECK_FOR_INTERRUPTS();
        if (hand_out_next_of_own(leader) || hand_out_next_of_helpers(leader))
            ++leader.handed_out;
        else if (!make_one(leader))
            wait_for_helpers(leader, context);
    }
}

/// The library as the called function names it, so that a worker loads no other.
const char* library_of(FunctionCallInfo call) {
    HeapTuple function = SearchSysCache1(PROCOID, ObjectIdGetDatum(call->flinfo->fn_oid));
    if (!HeapTupleIsValid(function)) elog(ERROR, "function %u is gone", call->flinfo->fn_oid);
    bool is_null;
    const Datum library = SysCacheGetAttr(PROCOID, function, Anum_pg_proc_probin, &is_null);
    const char* name = is_null ? "$libdir/seqrec" : TextDatumGetCString(library);
    ReleaseSysCache(function);
    return name;
}

/// Room for a few blocks.
Size queue_size() {
    const Size block =
        static_cast<Size>(kUsersAtOnce) * (4 + sizeof(ScoredItem) * static_cast<Size>(work.request.k));
    return MAXALIGN(Min(Max(4 * block, kSmallestQueue), kLargestQueue));
}

ParallelContext* begin_workers(FunctionCallInfo call, int workers, Leader& leader) {
    ParallelContext* context = CreateParallelContext(library_of(call), "seqrec_answer_users", workers);
    const Size call_bytes = call_size(call), queue_bytes = queue_size();
    shm_toc_estimate_chunk(&context->estimator, sizeof(Shared));
    shm_toc_estimate_chunk(&context->estimator, call_bytes);
    shm_toc_estimate_chunk(&context->estimator, mul_size(queue_bytes, static_cast<Size>(workers)));
    shm_toc_estimate_keys(&context->estimator, 3);
    InitializeParallelDSM(context);
    leader.shared = static_cast<Shared*>(shm_toc_allocate(context->toc, sizeof(Shared)));
    pg_atomic_init_u32(&leader.shared->next, 0);
    leader.shared->layout = kLayout;
    strlcpy(leader.shared->version, work.model->version.c_str(), sizeof leader.shared->version);
    leader.shared->queue_size = queue_bytes;
    shm_toc_insert(context->toc, kShared, leader.shared);
    auto* arguments = static_cast<char*>(shm_toc_allocate(context->toc, call_bytes));
    write_call(call, arguments);
    shm_toc_insert(context->toc, kCall, arguments);
    auto* queues =
        static_cast<char*>(shm_toc_allocate(context->toc, mul_size(queue_bytes, static_cast<Size>(workers))));
    shm_toc_insert(context->toc, kQueues, queues);
    leader.helpers = static_cast<Helper*>(palloc0(sizeof(Helper) * static_cast<Size>(workers)));
    for (int i = 0; i < context->nworkers; ++i) {
        shm_mq* queue = shm_mq_create(queues + static_cast<Size>(i) * queue_bytes, queue_bytes);
        shm_mq_set_receiver(queue, MyProc);
        leader.helpers[i].queue = shm_mq_attach(queue, context->seg, nullptr);
    }
    LaunchParallelWorkers(context);
    leader.helper_count = context->nworkers_launched;
    for (int i = 0; i < leader.helper_count; ++i)
        shm_mq_set_handle(leader.helpers[i].queue, context->worker[i].bgwhandle);
    return context;
}

/// Whether a worker finds the file that is mapped here; else it would make a snapshot of its own.
bool others_can_open() {
    return guarded([] {
        const auto now = FileState::of(work.model->path.c_str());
        return !work.model->is_private && now && now == work.model->found;
    });
}

/// In a worker there are none of its own. Each has a queue, whether it can be started or not, and users set two of these
/// numbers as they like.
int wanted_workers(std::uint32_t blocks) {
    if (IsParallelWorker() || !others_can_open()) return 0;
    const int most = Min(max_parallel_workers_per_gather, Min(max_parallel_workers, max_worker_processes));
    return Min(most, static_cast<int>(blocks / kBlocksForAWorker));
}

}  // namespace

void answer_all_users(FunctionCallInfo call, TakeUser take, void* state) {
    const std::uint32_t blocks = blocks_of(users_of_model());
    const int workers = wanted_workers(blocks);
    const Taker taker{take, state};
    if (workers == 0) {
        for (std::uint32_t block = 0; block < blocks; ++block) hand_out_answers(taker, make_block(block));
        return;
    }
    EnterParallelMode();
    Leader leader{};
    leader.taker = taker;
    leader.blocks = blocks;
    ParallelContext* context = begin_workers(call, workers, leader);
    lead(leader, context);
    WaitForParallelWorkersToFinish(context);
    DestroyParallelContext(context);
    ExitParallelMode();
}

}  // namespace seqrec

extern "C" {

/// What a worker does. One that sees another version than the leader, which looked a moment earlier, leaves it all to
/// the others.
PGDLLEXPORT void seqrec_answer_users(dsm_segment* segment, shm_toc* toc);
void seqrec_answer_users(dsm_segment* segment, shm_toc* toc) {
    using namespace seqrec;
    auto* shared = static_cast<Shared*>(shm_toc_lookup(toc, kShared, false));
    if (shared->layout != kLayout) return;  // the others make all of it
    auto* queues = static_cast<char*>(shm_toc_lookup(toc, kQueues, false));
    auto* mine =
        reinterpret_cast<shm_mq*>(queues + static_cast<Size>(ParallelWorkerNumber) * shared->queue_size);
    shm_mq_set_sender(mine, MyProc);
    shm_mq_handle* queue = shm_mq_attach(mine, segment, nullptr);
    Wish wish = read_call(static_cast<char*>(shm_toc_lookup(toc, kCall, false)));
    begin_answering_all(wish);
    if (work.model->version != shared->version) return;
    const std::uint32_t blocks = blocks_of(users_of_model());
    for (std::uint32_t block; (block = pg_atomic_fetch_add_u32(&shared->next, 1)) < blocks;) {
        CHECK_FOR_INTERRUPTS();
        StringInfoData bytes = write_block(block);
        const shm_mq_result sent = shm_mq_send(queue, static_cast<Size>(bytes.len), bytes.data, false, true);
        pfree(bytes.data);
        if (sent != SHM_MQ_SUCCESS) return;
    }
}
}
