"""The client of the Remote Execution API (Bazel's, version 2): a server's blobs, its cache of results, its workers."""
