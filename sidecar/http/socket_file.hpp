// The place of a Unix socket in the file system: whose it is, and what a process that died left behind.
#pragma once

#include <string>

namespace seqrec::sidecar {

/// Keeps a path for one process's listening socket. PATH.lock beside it is held while the process lives, and says which
/// file the socket is; so a socket that a dead process left behind is known as one of ours, and no other file is ever
/// removed, nor a socket on which anybody listens.
/// 为一个进程的监听套接字保有路径。旁边的 PATH.lock 在进程存续期间被锁定，并记录套接字是哪个文件：
/// 由此可以认出已死进程遗留的套接字，绝不会删除其他文件，也不会删除有进程在监听的套接字。
class SocketFile {
  public:
    /// Makes the path free for binding. Throws std::runtime_error when another process listens there, and when something
    /// is there that seqrec-http did not leave behind.
    /// 腾出路径以便绑定。若另有进程在此监听，或该处有并非 seqrec-http 遗留的文件，则抛出 std::runtime_error。
    explicit SocketFile(std::string path);
    /// Removes the socket and the lock.
    /// 删除套接字与锁文件。
    ~SocketFile();
    SocketFile(const SocketFile&) = delete;
    SocketFile& operator=(const SocketFile&) = delete;

    /// Notes that the socket which is there now is this process's own.
    /// 记录此刻位于该路径的套接字属于本进程。
    void note_bound();

  private:
    class Lock {
      public:
        explicit Lock(const std::string& path);
        ~Lock();
        Lock(const Lock&) = delete;
        Lock& operator=(const Lock&) = delete;
        bool is_new() const { return is_new_; }
        std::string text() const;
        void write(const std::string& text) const;
        void remove(const std::string& path) const;

      private:
        void open(const std::string& path);
        bool is_at(const std::string& path) const;
        int file_ = -1;
        bool is_new_ = false;
    };

    bool is_ours(const std::string& noted) const;

    std::string path_, lock_path_;
    Lock lock_;
};

}  // namespace seqrec::sidecar
