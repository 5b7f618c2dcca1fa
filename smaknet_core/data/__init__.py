"""Recordings in, model-ready clips out: bags, sync, cache, dataset, sampler, transforms."""
