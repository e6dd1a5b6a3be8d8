"""What the tests tell the CPU build of vLLM."""

VLLM = {
    "gpu_memory_utilization": 0.5,
    "max_model_len": None,
    "max_num_batched_tokens": 4096,
    "enforce_eager": True,
    "prefix_caching": True,
    "batch_invariant": False,
    "cpu_kvcache_gb": 0.25,
    "lora": "merged",
}
