"""
Multi-view Pouring as published → recordings; body of `smaknet import-pouring`.

    videos/{train,val,test}/NAME_view0.mov, NAME_view1.mov   what two cameras saw
    tfrecords/{train,val,test}/NAME.tfrecord                 the same as JPEG, one sequence each
    .../{val,test}/...                                       labelled pairs of frames, as TFRecords

No TensorFlow is needed: its file format is a few lines (`tfrecords`, `examples`).
"""

from smaknet_core.data.pouring.command import run_import

__all__ = ['run_import']
